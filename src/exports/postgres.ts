/** `posthorn/postgres`: PostgreSQL in messages' transactions. Needs the package `pg`. */
export type { PostgresOptions } from '../resources/postgres/postgres-options.ts';
export { type PostgresClient, PostgresResource, postgresResource } from '../resources/postgres/postgres-resource.ts';
