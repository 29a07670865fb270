import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { type Capability, requireCapability } from './capabilities.ts';

/**
 * The database servers that test files share. `npm test` starts them once for a run, when one of its files imports this
 * module, and names them in the environment; a URL that is set already is taken instead. What a test does to a whole
 * server (restart, kill, freeze) it does to one of its own: tools/databases/start-postgres.ts, start-mariadb.ts.
 */
export interface TestServer {
  readonly kind: 'postgres' | 'mariadb';
  /** Of a superuser. */
  readonly url: string;
}

/** A PostgreSQL server with prepared transactions; `undefined` after the test was skipped for want of one. */
export function requirePostgres(t: TestContext): TestServer | undefined {
  return requireServer(t, 'postgres', 'POSTHORN_TEST_POSTGRES_URL');
}

/** One with `max_prepared_transactions = 0`. */
export function requireUnpreparedPostgres(t: TestContext): TestServer | undefined {
  return requireServer(t, 'postgres', 'POSTHORN_TEST_POSTGRES_UNPREPARED_URL');
}

export function requireMariadb(t: TestContext): TestServer | undefined {
  return requireServer(t, 'mariadb', 'POSTHORN_TEST_MARIADB_URL');
}

/** True when private servers of both kinds can be started by a test; otherwise it was skipped. */
export function requireDatabases(t: TestContext): boolean {
  return requirePostgres(t) !== undefined && requireMariadb(t) !== undefined;
}

/** A database of this test alone. Its end drops it, with the connections to it and what is prepared in it. */
export async function freshDatabase(server: TestServer): Promise<FreshDatabase> {
  const name = `posthorn_${randomBytes(6).toString('hex')}`;
  const connectionString = Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
  if (server.kind === 'postgres') await onPostgres(server.url, (client) => client.query(`create database ${name}`));
  else await onMariadb(server.url, (client) => client.query(`create database ${name}`));
  const drop = server.kind === 'postgres' ? dropPostgres : dropMariadb;
  return { name, connectionString, [Symbol.asyncDispose]: () => drop(server.url, name, connectionString) };
}

export interface FreshDatabase extends AsyncDisposable {
  readonly name: string;
  readonly connectionString: string;
}

function requireServer(t: TestContext, kind: Capability & TestServer['kind'], variable: string) {
  const url = process.env[variable];
  const isThere = requireCapability(t, kind, () =>
    url === undefined || url === '' ? mendOf(kind, variable) : undefined,
  );
  return isThere && url !== undefined ? { kind, url } : undefined;
}

function mendOf(kind: TestServer['kind'], variable: string): string {
  const debianPackage = kind === 'postgres' ? 'postgresql' : 'mariadb-server';
  return `no server: run 'apt-get install ${debianPackage}', and 'npm test' starts a private one; or set ${variable}`;
}

async function onPostgres<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function onMariadb<T>(
  url: string,
  work: (client: Awaited<ReturnType<typeof createConnection>>) => Promise<T>,
): Promise<T> {
  const client = await createConnection(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Prepared transactions are finished in their own database only, and keep it from being dropped. */
async function dropPostgres(url: string, name: string, connectionString: string): Promise<void> {
  await onPostgres(connectionString, async (client) => {
    const { rows } = await client.query<{ gid: string }>(
      'select gid from pg_prepared_xacts where database = current_database()',
    );
    for (const { gid } of rows) await client.query(`rollback prepared ${client.escapeLiteral(gid)}`);
  });
  await onPostgres(url, (client) => client.query(`drop database ${name} with (force)`));
}

/** XA branches belong to no database, so that those of other tests must be left alone: what blocks the drop is told. */
async function dropMariadb(url: string, name: string): Promise<void> {
  await onMariadb(url, async (client) => {
    await client.query('set lock_wait_timeout = 5, innodb_lock_wait_timeout = 5');
    const [sessions] = await client.query<SessionRow[]>(
      'select id from information_schema.processlist where db = ? and id <> connection_id()',
      [name],
    );
    for (const { id } of sessions) await client.query(`kill hard connection ${id}`).catch(ignoreUnknownThread);
    try {
      await client.query(`drop database ${name}`);
    } catch (error) {
      const [branches] = await client.query<(RowDataPacket & { readonly data: unknown })[]>('xa recover');
      const left = branches.map(({ data }) => String(data)).join(', ');
      throw new Error(`Database ${name} cannot be dropped; prepared on its server: ${left}`, { cause: error });
    }
  });
}

type SessionRow = RowDataPacket & { readonly id: number };

/** It ended between our look and the kill. */
function ignoreUnknownThread(error: unknown): void {
  const isUnknownThread = error instanceof Error && 'errno' in error && error.errno === 1094;
  if (!isUnknownThread) throw error;
}
