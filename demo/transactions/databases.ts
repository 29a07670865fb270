import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { startMariadb } from '../../tools/databases/start-mariadb.ts';
import { startPostgres } from '../../tools/databases/start-postgres.ts';
import { ARTICLES, STOCK } from './contracts.ts';

/** The demo's own PostgreSQL and MariaDB servers, with their tables. */
export class DemoDatabases {
  readonly #postgres: Awaited<ReturnType<typeof startPostgres>>;
  readonly #mariadb: Awaited<ReturnType<typeof startMariadb>>;

  private constructor(
    postgres: Awaited<ReturnType<typeof startPostgres>>,
    mariadb: Awaited<ReturnType<typeof startMariadb>>,
  ) {
    this.#postgres = postgres;
    this.#mariadb = mariadb;
  }

  static async start(root: string): Promise<DemoDatabases> {
    const [postgres, mariadb] = await Promise.all([
      startPostgres({ directory: join(root, 'postgres') }),
      startMariadb({ directory: join(root, 'mariadb') }),
    ]);
    const databases = new DemoDatabases(postgres, mariadb);
    // No primary keys: what is written twice is there twice, and is seen.
    await databases.#askPostgres('create table orders(order_id text not null, article text not null)');
    await databases.#askPostgres('create table shipments(order_id text not null)');
    await databases.#askMariadb(
      'create table picks(order_id varchar(36) not null, article varchar(20) not null) engine = InnoDB',
    );
    await databases.#askMariadb(
      'create table stock(article varchar(20) primary key, pieces integer not null) engine = InnoDB',
    );
    const rows = ARTICLES.map((article) => `('${article}', ${STOCK})`).join(', ');
    await databases.#askMariadb(`insert into stock values ${rows}`);
    return databases;
  }

  get environment(): Record<string, string> {
    return { DEMO_POSTGRES: this.#postgres.url, DEMO_MARIADB: this.#mariadb.url };
  }

  /** At once, as when the power goes: prepared branches and their locks outlive it. */
  async restart(): Promise<void> {
    await Promise.all([this.#postgres.restart({ immediate: true }), this.#mariadb.restart({ immediate: true })]);
  }

  async countPrepared(): Promise<{ readonly postgres: number; readonly mariadb: number }> {
    const postgres = await this.#askPostgres('select gid from pg_prepared_xacts');
    const mariadb = await this.#askMariadb('xa recover');
    return { postgres: postgres.length, mariadb: mariadb.length };
  }

  async read(): Promise<DatabaseContents> {
    const idsIn = (rows: readonly Row[]): string[] => rows.map(({ order_id: orderId }) => String(orderId));
    const pieces = await this.#askMariadb('select sum(pieces) as pieces from stock');
    return {
      orders: idsIn(await this.#askPostgres('select order_id from orders')),
      picks: idsIn(await this.#askMariadb('select order_id from picks')),
      shipments: idsIn(await this.#askPostgres('select order_id from shipments')),
      piecesTaken: ARTICLES.length * STOCK - Number(pieces[0]?.pieces),
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#postgres.stop(), this.#mariadb.stop()]);
  }

  async #askPostgres(sql: string): Promise<readonly Row[]> {
    const client = new pg.Client({ connectionString: this.#postgres.url });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async #askMariadb(sql: string): Promise<readonly Row[]> {
    const connection = await createConnection({ uri: this.#mariadb.url });
    try {
      return (await connection.query<RowDataPacket[]>(sql))[0];
    } finally {
      await connection.end();
    }
  }
}

export interface DatabaseContents {
  readonly orders: readonly string[];
  readonly picks: readonly string[];
  readonly shipments: readonly string[];
  readonly piecesTaken: number;
}

type Row = Record<string, unknown>;
