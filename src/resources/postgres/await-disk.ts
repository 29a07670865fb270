/**
 * An expression that makes the end of the transaction wait for the disk, and for the standbys that the server waits for,
 * whatever was set in it and by whatever means: SET, set_config(), a function. A setting that waits for more stays.
 *
 * It stands in statements that are sent anyhow. PostgreSQL evaluates it in RETURNING for every row that is inserted.
 */
export const AWAIT_DISK = `case when pg_catalog.current_setting('synchronous_commit') in ('off', 'local')
  then pg_catalog.set_config('synchronous_commit', 'on', true) end`;
