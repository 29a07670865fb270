import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { DEADLOCK, UNKNOWN_BRANCH } from '../../src/resources/mysql/answers.ts';
import { type FreshDatabase, freshDatabase, requireMariadb } from '../support/test-databases.ts';

/** A database with a table `t`, sessions on it, and ids that nobody else uses. */
export class MysqlBench implements AsyncDisposable {
  readonly #database: FreshDatabase;
  readonly #sessions: Connection[] = [];
  readonly outside: Connection;
  readonly name: string;

  private constructor(database: FreshDatabase, outside: Connection) {
    this.#database = database;
    this.outside = outside;
    this.name = database.name;
  }

  static async begin(t: TestContext): Promise<MysqlBench | undefined> {
    const server = requireMariadb(t);
    if (server === undefined) return undefined;
    const database = await freshDatabase(server);
    const outside = await createConnection(database.connectionString);
    await outside.query('create table t (id int primary key, v int) engine = InnoDB');
    return new MysqlBench(database, outside);
  }

  xid(branch: string): string {
    return `'${this.name}','${branch}',1`;
  }

  async open(): Promise<Connection> {
    const session = await createConnection(this.#database.connectionString);
    session.on('error', () => undefined);
    this.#sessions.push(session);
    return session;
  }

  async prepare(session: Connection, branch: string, ...statements: readonly string[]): Promise<void> {
    await session.query(`xa start ${this.xid(branch)}`);
    for (const statement of statements) await session.query(statement);
    await session.query(`xa end ${this.xid(branch)}`);
    await session.query(`xa prepare ${this.xid(branch)}`);
  }

  async rollBack(session: Connection, branch: string): Promise<void> {
    await session.query(`xa end ${this.xid(branch)}`);
    await session.query(`xa rollback ${this.xid(branch)}`);
  }

  /** Two branches wait for each other, and the server has chosen its victim. */
  async deadlock() {
    await this.outside.query('insert into t values (1, 1), (2, 2)');
    const [one, two] = [await this.open(), await this.open()];
    await one.query(`xa start ${this.xid('one')}`);
    await two.query(`xa start ${this.xid('two')}`);
    await one.query('update t set v = 5 where id = 1');
    await two.query('update t set v = 5 where id = 2');
    const first = errorOf(one, 'update t set v = 6 where id = 2');
    const second = errorOf(two, 'update t set v = 6 where id = 1');
    const victimIsOne = await Promise.race([
      first.then((error) => error === DEADLOCK),
      second.then((error) => error !== DEADLOCK),
    ]);
    const settled = async (): Promise<void> => {
      assert.deepEqual(await Promise.all([first, second]), victimIsOne ? [DEADLOCK, undefined] : [undefined, DEADLOCK]);
      await this.rollBack(victimIsOne ? two : one, victimIsOne ? 'two' : 'one');
    };
    return victimIsOne ? { victim: one, name: 'one', settled } : { victim: two, name: 'two', settled };
  }

  /** Branches of this bench that are prepared. */
  async listed(): Promise<string[]> {
    const [rows] = await this.outside.query<RowDataPacket[]>('xa recover');
    const texts = rows.map((row) => String(row.data));
    return texts.filter((text) => text.startsWith(this.name)).map((text) => text.slice(this.name.length));
  }

  /** The owner is gone, and the server takes a moment to see it: until then the branch is unknown, and listed. */
  async untilOwnerless<Result>(branch: string, attempt: () => Promise<Result>): Promise<Result> {
    for (;;) {
      assert.ok((await this.listed()).includes(branch));
      try {
        const result = await attempt();
        if (numberOf(result) !== UNKNOWN_BRANCH) return result;
      } catch (error) {
        if (numberOf(error) !== UNKNOWN_BRANCH) throw error;
      }
    }
  }

  async items(): Promise<number[]> {
    const [rows] = await this.outside.query<RowDataPacket[]>('select id from t order by id');
    return rows.map((row) => row.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    for (const branch of await this.listed()) {
      await this.untilOwnerless(branch, () => failureOf(this.outside, `xa rollback ${this.xid(branch)}`));
    }
    await this.outside.end();
    await this.#database[Symbol.asyncDispose]();
  }
}

export async function failureOf(session: Connection, sql: string): Promise<unknown> {
  try {
    await session.query(sql);
    return undefined;
  } catch (error) {
    return error;
  }
}

export async function errorOf(session: Connection, sql: string): Promise<number | undefined> {
  return numberOf(await failureOf(session, sql));
}

export function numberOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'errno' in error ? Number(error.errno) : undefined;
}
