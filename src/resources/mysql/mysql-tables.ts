import { ResourceTablesMissing } from '../../transactions/errors.ts';
import { MARKER_TABLE, WITNESS_TABLE } from '../shared/table-names.ts';
import { isServerError } from './answers.ts';
import type { MysqlConnection } from './mysql-connection.ts';

/**
 * Posthorn's two tables. The engine is said, because a default that is not transactional would keep marker rows of branches
 * that were rolled back; so is the collation, because ids that differ in case only are different.
 */
export const TABLES_SQL = `create table if not exists ${MARKER_TABLE} (
  id char(59) character set ascii collate ascii_bin not null primary key,
  outcome char(1) character set ascii collate ascii_bin not null,
  written_at timestamp(6) not null default current_timestamp(6)
) engine = InnoDB;
create table if not exists ${WITNESS_TABLE} (
  queue_manager char(26) character set ascii collate ascii_bin not null primary key,
  generation char(8) character set ascii collate ascii_bin not null,
  epoch bigint not null,
  opening char(36) character set ascii collate ascii_bin not null,
  raised_at timestamp(6) not null default current_timestamp(6)
) engine = InnoDB;
`;

/** With their database, quoted: a handler's USE must not lead to other tables. */
export interface MysqlTables {
  readonly marker: string;
  readonly witness: string;
}

export function tablesOf(database: string): MysqlTables {
  const quoted = `\`${database.replaceAll('`', '``')}\``;
  return { marker: `${quoted}.${MARKER_TABLE}`, witness: `${quoted}.${WITNESS_TABLE}` };
}

/** @throws RESOURCE_TABLES_MISSING with the SQL when they are missing and cannot, or must not, be made */
export async function createTables(connection: MysqlConnection, request: TablesRequest): Promise<void> {
  if ((await readTableEngines(connection, [MARKER_TABLE, WITNESS_TABLE])).length === 2) return;
  if (request.tables === 'expect') throw new ResourceTablesMissing(request.resource, TABLES_SQL);
  try {
    for (const statement of TABLES_SQL.split(';\n')) if (statement.trim() !== '') await connection.ask(statement);
  } catch (error) {
    if (!isServerError(error)) throw error;
    throw new ResourceTablesMissing(request.resource, TABLES_SQL, { cause: error });
  }
}

export async function hasMarkerTable(connection: MysqlConnection): Promise<boolean> {
  return (await readTableEngines(connection, [MARKER_TABLE])).length === 1;
}

export interface TablesRequest {
  readonly resource: string;
  readonly tables: 'create' | 'expect';
}

/** Of those that are there, in this database. */
export async function readTableEngines(
  connection: MysqlConnection,
  tables: readonly string[],
): Promise<readonly TableEngine[]> {
  if (tables.length === 0) return [];
  const rows = await connection.ask(
    `select table_name as name, engine as engine from information_schema.tables
     where table_schema = database() and table_name in (?)`,
    [tables],
  );
  return rows.map(({ name, engine }) => ({ name: String(name), engine: String(engine) }));
}

export interface TableEngine {
  readonly name: string;
  readonly engine: string;
}

/** Engines in which a rollback undoes what was written, and which keep prepared branches. */
export function isTransactional(engine: string): boolean {
  return TRANSACTIONAL.has(engine.toLowerCase());
}

const TRANSACTIONAL = new Set(['innodb', 'rocksdb', 'tokudb']);
