import { type DatabaseKind, DatabasePair } from '../../../tools/databases/database-pair.ts';
import { TABLE } from './settings.ts';

/** One PostgreSQL and one MariaDB server of the crash test's own, which it may restart. */
export class CrashDatabases implements AsyncDisposable {
  readonly #pair: DatabasePair;

  private constructor(pair: DatabasePair) {
    this.#pair = pair;
  }

  static async start(directory: string): Promise<CrashDatabases> {
    return new CrashDatabases(await DatabasePair.start(directory));
  }

  urlOf(kind: DatabaseKind): string {
    return this.#pair.urlOf(kind);
  }

  /** An empty table, and nothing of an earlier life of another store. */
  async clear(): Promise<void> {
    for (const [kind, engine] of [
      ['postgres', ''],
      ['mariadb', ' engine = InnoDB'],
    ] as const) {
      await this.#pair.ask(kind, `drop table if exists ${TABLE}, posthorn_marker, posthorn_witness`);
      await this.#pair.ask(kind, `create table ${TABLE}(number integer not null)${engine}`);
    }
  }

  /** Both servers stop at once, as if their machines had, and start again. */
  async restart(): Promise<void> {
    await this.#pair.restart();
  }

  /** What is there of each number, and what is prepared. */
  async read(kind: DatabaseKind): Promise<DatabaseContents> {
    const rows = await this.#pair.ask(kind, `select number from ${TABLE}`);
    const aborted = await this.#pair.ask(kind, "select id from posthorn_marker where outcome = 'a'");
    return {
      numbers: rows.map(({ number }) => Number(number)),
      prepared: await this.#pair.prepared(kind),
      abortRows: aborted.length,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pair[Symbol.asyncDispose]();
  }
}

export interface DatabaseContents {
  readonly numbers: readonly number[];
  /** Ids of prepared branches. */
  readonly prepared: readonly string[];
  /** Rows that keep a transaction from ever committing; gone when its session is. */
  readonly abortRows: number;
}
