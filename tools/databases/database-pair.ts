import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import type { DatabaseServer } from './database-server.ts';
import { startMariadb } from './start-mariadb.ts';
import { startPostgres } from './start-postgres.ts';

/** One PostgreSQL and one MariaDB server, side by side, with their data below one directory. */
export class DatabasePair implements AsyncDisposable {
  readonly #postgres: DatabaseServer;
  readonly #mariadb: DatabaseServer;

  private constructor(postgres: DatabaseServer, mariadb: DatabaseServer) {
    this.#postgres = postgres;
    this.#mariadb = mariadb;
  }

  static async start(directory: string): Promise<DatabasePair> {
    const [postgres, mariadb] = await Promise.all([
      startPostgres({ directory: join(directory, 'postgres') }),
      startMariadb({ directory: join(directory, 'mariadb') }),
    ]);
    return new DatabasePair(postgres, mariadb);
  }

  urlOf(kind: DatabaseKind): string {
    return (kind === 'postgres' ? this.#postgres : this.#mariadb).url;
  }

  /** Both stop at once, as when the power goes, and start again: prepared branches and their locks outlive it. */
  async restart(): Promise<void> {
    await Promise.all([this.#postgres.restart({ immediate: true }), this.#mariadb.restart({ immediate: true })]);
  }

  /** Runs one statement, on a connection of its own. */
  ask(kind: DatabaseKind, sql: string): Promise<readonly Row[]> {
    return kind === 'postgres' ? askPostgres(this.#postgres.url, sql) : askMariadb(this.#mariadb.url, sql);
  }

  /** Ids of prepared branches. */
  async prepared(kind: DatabaseKind): Promise<string[]> {
    const isPostgres = kind === 'postgres';
    const rows = await this.ask(kind, isPostgres ? 'select gid from pg_prepared_xacts' : 'xa recover');
    return rows.map(({ gid, data }) => String(isPostgres ? gid : data));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#postgres.stop(), this.#mariadb.stop()]);
  }
}

export type DatabaseKind = 'postgres' | 'mariadb';
export type Row = Readonly<Record<string, unknown>>;

async function askPostgres(url: string, sql: string): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function askMariadb(url: string, sql: string): Promise<readonly Row[]> {
  const connection = await createConnection({ uri: url });
  try {
    return (await connection.query<RowDataPacket[]>(sql))[0];
  } finally {
    await connection.end();
  }
}
