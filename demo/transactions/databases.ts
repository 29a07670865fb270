import { DatabasePair, type Row } from '../../tools/databases/database-pair.ts';
import { ARTICLES, STOCK } from './contracts.ts';

/** The demo's own PostgreSQL and MariaDB servers, with their tables. */
export class DemoDatabases {
  readonly #pair: DatabasePair;

  private constructor(pair: DatabasePair) {
    this.#pair = pair;
  }

  static async start(root: string): Promise<DemoDatabases> {
    const pair = await DatabasePair.start(root);
    // No primary keys: what is written twice is there twice, and is seen.
    await pair.ask('postgres', 'create table orders(order_id text not null, article text not null)');
    await pair.ask('postgres', 'create table shipments(order_id text not null)');
    await pair.ask(
      'mariadb',
      'create table picks(order_id varchar(36) not null, article varchar(20) not null) engine = InnoDB',
    );
    await pair.ask(
      'mariadb',
      'create table stock(article varchar(20) primary key, pieces integer not null) engine = InnoDB',
    );
    const rows = ARTICLES.map((article) => `('${article}', ${STOCK})`).join(', ');
    await pair.ask('mariadb', `insert into stock values ${rows}`);
    return new DemoDatabases(pair);
  }

  get environment(): Record<string, string> {
    return { DEMO_POSTGRES: this.#pair.urlOf('postgres'), DEMO_MARIADB: this.#pair.urlOf('mariadb') };
  }

  /** At once, as when the power goes: prepared branches and their locks outlive it. */
  async restart(): Promise<void> {
    await this.#pair.restart();
  }

  async countPrepared(): Promise<{ readonly postgres: number; readonly mariadb: number }> {
    const postgres = await this.#pair.prepared('postgres');
    const mariadb = await this.#pair.prepared('mariadb');
    return { postgres: postgres.length, mariadb: mariadb.length };
  }

  async read(): Promise<DatabaseContents> {
    const idsIn = (rows: readonly Row[]): string[] => rows.map(({ order_id: orderId }) => String(orderId));
    const pieces = await this.#pair.ask('mariadb', 'select sum(pieces) as pieces from stock');
    return {
      orders: idsIn(await this.#pair.ask('postgres', 'select order_id from orders')),
      picks: idsIn(await this.#pair.ask('mariadb', 'select order_id from picks')),
      shipments: idsIn(await this.#pair.ask('postgres', 'select order_id from shipments')),
      piecesTaken: ARTICLES.length * STOCK - Number(pieces[0]?.pieces),
    };
  }

  async stop(): Promise<void> {
    await this.#pair[Symbol.asyncDispose]();
  }
}

export interface DatabaseContents {
  readonly orders: readonly string[];
  readonly picks: readonly string[];
  readonly shipments: readonly string[];
  readonly piecesTaken: number;
}
