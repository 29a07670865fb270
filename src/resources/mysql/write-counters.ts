import type { MysqlConnection } from './mysql-connection.ts';

/**
 * How often this session has written a row into a table, changed one or deleted one, as one text to compare. SHOW STATUS leaves
 * its own counters as they were, and tables that the server makes for itself are counted elsewhere (measured on MariaDB; a
 * server that counts them here as well makes a reading branch look like a writing one, which is safe).
 */
export async function askWriteCounters(connection: MysqlConnection): Promise<string> {
  const rows = await connection.ask(SHOW);
  return rows.map((row) => `${String(row.Variable_name)}=${String(row.Value)}`).join(' ');
}

const SHOW = "show session status where variable_name in ('Handler_write', 'Handler_update', 'Handler_delete')";
