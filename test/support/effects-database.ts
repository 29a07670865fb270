import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { FaultProxy } from './fault-proxy.ts';
import { freshDatabase, type TestServer } from './test-databases.ts';

/**
 * A database of one story with a table `effects(number)`, without keys: what takes effect twice stands there twice. The
 * story's endpoints reach it through a fault proxy (`url`), the story itself past it (`query`).
 */
export class EffectsDatabase implements AsyncDisposable {
  readonly kind: TestServer['kind'];
  readonly proxy: FaultProxy;
  readonly #directUrl: string;
  readonly #dispose: () => Promise<void>;

  private constructor(parts: Parts) {
    this.kind = parts.kind;
    this.proxy = parts.proxy;
    this.#directUrl = parts.directUrl;
    this.#dispose = parts.dispose;
  }

  /** @param server - shared with other tests, or one of the story's own */
  static async make(server: TestServer): Promise<EffectsDatabase> {
    const fresh = await freshDatabase(server);
    const proxy = await FaultProxy.start({ targetPort: Number(new URL(server.url).port) });
    const database = new EffectsDatabase({
      kind: server.kind,
      proxy,
      directUrl: fresh.connectionString,
      dispose: async () => {
        await proxy[Symbol.asyncDispose]();
        await fresh[Symbol.asyncDispose]();
      },
    });
    await database.query(`create table effects(number integer not null)${IN_INNODB[server.kind]}`);
    return database;
  }

  /** Through the proxy. */
  get url(): string {
    return this.proxy.url(this.#directUrl);
  }

  /** Past the proxy. */
  get directUrl(): string {
    return this.#directUrl;
  }

  /** Runs one statement past the proxy, on a connection of its own. */
  async query(sql: string): Promise<readonly Row[]> {
    await using session = await this.session();
    return await session.query(sql);
  }

  /** A session of the story itself, past the proxy; it ends with the block that uses it. */
  async session(): Promise<Session> {
    return this.kind === 'postgres' ? await postgresSession(this.#directUrl) : await mariadbSession(this.#directUrl);
  }

  /** What took effect, in order. */
  async numbers(): Promise<number[]> {
    const rows = await this.query('select number from effects order by number');
    return rows.map(({ number }) => Number(number));
  }

  /** What is prepared with ids that contain this text. On MariaDB they belong to no database, so others' are there too. */
  async prepared(part: string): Promise<string[]> {
    const isPostgres = this.kind === 'postgres';
    const rows = await this.query(
      isPostgres ? 'select gid as id from pg_prepared_xacts where database = current_database()' : 'xa recover',
    );
    return rows.map(({ id, data }) => String(isPostgres ? id : data)).filter((id) => id.includes(part));
  }

  /** Marker rows by outcome: c, committed; a, aborted. */
  async markers(): Promise<string[]> {
    const rows = await this.query('select outcome from posthorn_marker order by id');
    return rows.map(({ outcome }) => String(outcome));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispose();
  }
}

export type Row = Readonly<Record<string, unknown>>;

export interface Session extends AsyncDisposable {
  query(sql: string): Promise<readonly Row[]>;
}

interface Parts {
  readonly kind: TestServer['kind'];
  readonly proxy: FaultProxy;
  readonly directUrl: string;
  readonly dispose: () => Promise<void>;
}

const IN_INNODB = { postgres: '', mariadb: ' engine = InnoDB' };

async function postgresSession(url: string): Promise<Session> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  return {
    query: async (sql) => (await client.query<Row>(sql)).rows,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

async function mariadbSession(url: string): Promise<Session> {
  const client: Connection = await createConnection(url);
  client.on('error', () => undefined);
  return {
    query: async (sql) => {
      const [rows] = await client.query(sql);
      return Array.isArray(rows) ? (rows as RowDataPacket[]) : [];
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}
