import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { startMariadb } from '../../../tools/databases/start-mariadb.ts';
import { startPostgres } from '../../../tools/databases/start-postgres.ts';
import { TABLE } from './settings.ts';

/** One PostgreSQL and one MariaDB server of the crash test's own, which it may restart. */
export class CrashDatabases implements AsyncDisposable {
  readonly #postgres: Awaited<ReturnType<typeof startPostgres>>;
  readonly #mariadb: Awaited<ReturnType<typeof startMariadb>>;

  private constructor(
    postgres: Awaited<ReturnType<typeof startPostgres>>,
    mariadb: Awaited<ReturnType<typeof startMariadb>>,
  ) {
    this.#postgres = postgres;
    this.#mariadb = mariadb;
  }

  static async start(directory: string): Promise<CrashDatabases> {
    const [postgres, mariadb] = await Promise.all([
      startPostgres({ directory: join(directory, 'postgres') }),
      startMariadb({ directory: join(directory, 'mariadb') }),
    ]);
    return new CrashDatabases(postgres, mariadb);
  }

  urlOf(kind: DatabaseKind): string {
    return kind === 'postgres' ? this.#postgres.url : this.#mariadb.url;
  }

  /** An empty table, and nothing of an earlier life of another store. */
  async clear(): Promise<void> {
    await this.#onPostgres(async (client) => {
      await client.query(`drop table if exists ${TABLE}, posthorn_marker, posthorn_witness`);
      await client.query(`create table ${TABLE}(number integer not null)`);
    });
    await this.#onMariadb(async (query) => {
      await query(`drop table if exists ${TABLE}, posthorn_marker, posthorn_witness`);
      await query(`create table ${TABLE}(number integer not null) engine = InnoDB`);
    });
  }

  /** Both servers stop at once, as if their machines had, and start again. */
  async restart(): Promise<void> {
    await Promise.all([this.#postgres.restart({ immediate: true }), this.#mariadb.restart({ immediate: true })]);
  }

  /** What is there of each number, and what is prepared. */
  async read(kind: DatabaseKind): Promise<DatabaseContents> {
    if (kind === 'postgres') {
      return this.#onPostgres(async (client) => ({
        numbers: (await client.query<{ number: number }>(`select number from ${TABLE}`)).rows.map(
          ({ number }) => number,
        ),
        prepared: (await client.query<{ gid: string }>('select gid from pg_prepared_xacts')).rows.map(({ gid }) => gid),
        abortRows: await countRows(async (sql) => (await client.query(sql)).rows),
      }));
    }
    return this.#onMariadb(async (query) => ({
      numbers: (await query(`select number from ${TABLE}`)).map(({ number }) => number as number),
      prepared: (await query('xa recover')).map(({ data }) => String(data)),
      abortRows: await countRows(query),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#postgres.stop(), this.#mariadb.stop()]);
  }

  async #onPostgres<Result>(action: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = new pg.Client({ connectionString: this.#postgres.url });
    await client.connect();
    try {
      return await action(client);
    } finally {
      await client.end();
    }
  }

  async #onMariadb<Result>(action: (query: Query) => Promise<Result>): Promise<Result> {
    const connection = await createConnection({ uri: this.#mariadb.url });
    try {
      return await action(async (sql) => (await connection.query<RowDataPacket[]>(sql))[0]);
    } finally {
      await connection.end();
    }
  }
}

export type DatabaseKind = 'postgres' | 'mariadb';

export interface DatabaseContents {
  readonly numbers: readonly number[];
  /** Ids of prepared branches. */
  readonly prepared: readonly string[];
  /** Rows that keep a transaction from ever committing; gone when its session is. */
  readonly abortRows: number;
}

type Query = (sql: string) => Promise<readonly Record<string, unknown>[]>;

async function countRows(query: Query): Promise<number> {
  return (await query("select id from posthorn_marker where outcome = 'a'")).length;
}
