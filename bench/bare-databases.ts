import { createPool, type Pool as MariadbPool, type PoolConnection } from 'mysql2/promise';
import pg from 'pg';
import { ORDER_JSON } from './bench-messages.ts';
import type { RawReference } from './raw-reference.ts';

/**
 * What somebody writes by hand without a bus, on as many connections as the endpoint has: beside it the modes of
 * `distributed` are measured (DESIGN section 7). Each cycle inserts 1 KiB into every database, commits, and then appends once
 * to a file of its own and waits for the sync.
 */
export class BareDatabases implements AsyncDisposable {
  readonly #raw: RawReference;
  readonly #postgres: pg.Pool;
  readonly #mariadb: MariadbPool | undefined;
  readonly #payload = ORDER_JSON.toString();
  #lastCycle = 0;

  constructor(raw: RawReference, urls: DatabaseUrls, connections: number) {
    this.#raw = raw;
    this.#postgres = new pg.Pool({ connectionString: urls.postgres, max: connections });
    // At the end the servers stop, and may tell so to a connection that is just being closed.
    this.#postgres.on('error', () => undefined);
    this.#mariadb =
      urls.mariadb === undefined ? undefined : createPool({ uri: urls.mariadb, connectionLimit: connections });
  }

  async createTables(): Promise<void> {
    await this.#postgres.query(`create table ${TABLE}(id text primary key, body text not null)`);
    await this.#mariadb?.query(`create table ${TABLE}(id varchar(80) primary key, body text not null) engine = InnoDB`);
  }

  /** Rows that were committed, of the endpoint and of the reference together. */
  async countRows(): Promise<{ readonly postgres: number; readonly mariadb: number }> {
    const count = `select count(*) as rows_there from ${TABLE}`;
    const found = await this.#postgres.query<{ rows_there: string }>(count);
    const [rows] = (await this.#mariadb?.query(count)) ?? [[{ rows_there: 0 }]];
    return {
      postgres: Number(found.rows[0]?.rows_there),
      mariadb: Number((rows as { rows_there: number }[])[0]?.rows_there),
    };
  }

  get cycles(): number {
    return this.#lastCycle;
  }

  /** Cycles per second with `concurrency` of them at a time, over `durationMs`. */
  async measure(concurrency: number, durationMs: number): Promise<number> {
    const startedMs = performance.now();
    let cycleCount = 0;
    const cycleOn = async (): Promise<void> => {
      while (performance.now() - startedMs < durationMs) {
        const id = `bare-${++this.#lastCycle}`;
        if (this.#mariadb === undefined) await this.#commitOne(id);
        else await this.#commitBoth(id, this.#mariadb);
        await this.#raw.append();
        cycleCount++;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, cycleOn));
    return cycleCount / ((performance.now() - startedMs) / 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#postgres.end();
    await this.#mariadb?.end();
  }

  async #commitOne(id: string): Promise<void> {
    const client = await this.#postgres.connect();
    await client.query('begin');
    await client.query(INSERT_POSTGRES, [id, this.#payload]);
    await client.query('commit');
    client.release();
  }

  /** No decision is written, no outcome checked: the two protocols, bare. */
  async #commitBoth(id: string, pool: MariadbPool): Promise<void> {
    const [client, connection] = await Promise.all([this.#postgres.connect(), pool.getConnection()]);
    await Promise.all([client.query('begin'), connection.query(`xa start '${id}'`)]);
    await client.query(INSERT_POSTGRES, [id, this.#payload]);
    await connection.query(INSERT_MARIADB, [id, this.#payload]);
    await Promise.all([client.query(`prepare transaction '${id}'`), prepareXa(connection, id)]);
    await Promise.all([client.query(`commit prepared '${id}'`), connection.query(`xa commit '${id}'`)]);
    client.release();
    connection.release();
  }
}

export interface DatabaseUrls {
  readonly postgres: string;
  readonly mariadb?: string;
}

/** Rows of orders; the endpoint inserts into it too. */
export const TABLE = 'bench_order';
export const INSERT_POSTGRES = `insert into ${TABLE} values ($1, $2)`;
export const INSERT_MARIADB = `insert into ${TABLE} values (?, ?)`;

async function prepareXa(connection: PoolConnection, id: string): Promise<void> {
  await connection.query(`xa end '${id}'`);
  await connection.query(`xa prepare '${id}'`);
}
