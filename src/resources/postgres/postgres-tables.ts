import { TRANSACTION_ID_LENGTH } from '../../transactions/transaction-id.ts';
import { MARKER_TABLE, WITNESS_TABLE } from '../shared/table-names.ts';

/** The names of Posthorn's tables in one database, with their schema once it is known. */
export class PostgresTables {
  /** Quoted; the first that is found holds: a `search_path` that changes later must not lead to other tables. */
  #schema: string | undefined;

  found(schema: string | undefined): void {
    this.#schema ??= schema;
  }

  get marker(): string {
    return this.#qualified(MARKER_TABLE);
  }

  get witness(): string {
    return this.#qualified(WITNESS_TABLE);
  }

  #qualified(table: string): string {
    return this.#schema === undefined ? table : `${this.#schema}.${table}`;
  }
}

/**
 * The transaction's id is checked by its length, so that a transaction that was ended and begun by hand, which has no id any
 * more, cannot insert a marker. Ids are compared byte by byte, whatever the database's collation.
 */
export const TABLES_SQL = `create table if not exists ${MARKER_TABLE} (
  id char(${TRANSACTION_ID_LENGTH}) collate "C" primary key check (char_length(id) = ${TRANSACTION_ID_LENGTH}),
  outcome char(1) not null check (outcome in ('c', 'a')),
  written_at timestamptz not null default now()
);
create table if not exists ${WITNESS_TABLE} (
  queue_manager char(26) collate "C" primary key,
  generation char(8) collate "C" not null,
  epoch bigint not null,
  opening char(36) not null,
  raised_at timestamptz not null default now()
);
`;

/** Where this login finds the marker table. */
export const FIND_SCHEMA_SQL = `
  select pg_catalog.quote_ident(space.nspname) as schema
    from pg_catalog.pg_class as found join pg_catalog.pg_namespace as space on space.oid = found.relnamespace
   where found.oid = pg_catalog.to_regclass('${MARKER_TABLE}')`;
