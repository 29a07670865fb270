import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { PoolClient } from 'pg';
import { nodeIo } from '../../src/io/node-io.ts';
import { beginBranch } from '../../src/resources/postgres/begin-branch.ts';
import type { ConnectionDoors } from '../../src/resources/postgres/branch-connection.ts';
import { openPostgres, type PostgresConnection } from '../../src/resources/postgres/postgres-connection.ts';
import { type PostgresSettings, resolvePostgresOptions } from '../../src/resources/postgres/postgres-options.ts';
import { postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import { PostgresTables } from '../../src/resources/postgres/postgres-tables.ts';
import { ConnectionPool } from '../../src/resources/shared/connection-pool.ts';
import { SessionWatch, type SessionWatchOptions } from '../../src/resources/shared/session-watch.ts';
import type { Branch } from '../../src/transactions/resource-manager.ts';
import { REQUESTS } from '../support/both-databases.ts';
import { requirePostgres } from '../support/test-databases.ts';
import { type MadeOptions, type ResourceFeatures, ResourceStory } from './resource-story.ts';

/** What the suites need to know of it; what ends a transaction by hand is told to those that ask. */
export const POSTGRES: ResourceFeatures = {
  title: 'PostgreSQL',
  requireServer: requirePostgres,
  make: (made) => postgresResource(made).resourceManager,
  query: async (client, sql) => (await (client as PoolClient).query(sql)).rows,
  byHand: [],
  sleep: (seconds) => `select pg_sleep(${seconds})`,
  wire: REQUESTS.postgres,
};

/** Stories that are PostgreSQL's alone. Undefined after the test was skipped for want of a server. */
export function postgresStory(
  t: TestContext,
  options: Omit<MadeOptions, 'name' | 'connectionString'> = {},
): Promise<ResourceStory | undefined> {
  return ResourceStory.make(t, POSTGRES, options);
}

export async function commit(branch: Branch): Promise<void> {
  assert.deepEqual(await branch.end(), { hasWritten: true });
  assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
}

/** What a branch stands on, put together by hand, so that its connections can be looked at; with one place in the pool. */
export function branchDoors(t: TestContext, story: ResourceStory, doorOptions: DoorOptions = {}) {
  const { statementErrors, lookAfterMs = 3000, look = async () => 'running', open = openPostgres } = doorOptions;
  const options = { name: 'orders', connectionString: story.database.url };
  const settings = resolvePostgresOptions(statementErrors === undefined ? options : { ...options, statementErrors });
  const { clock, timers } = nodeIo();
  const opened: PostgresConnection[] = [];
  const pool = new ConnectionPool({
    connectionCountMax: 1,
    idleMsMax: 60_000,
    timers,
    open: async () => {
      const connection = await open({ settings, statementTimeoutMs: 5000 });
      opened.push(connection);
      return connection;
    },
    busy: () => new Error('busy'),
  });
  t.after(() => {
    for (const connection of opened) connection.destroy();
  });
  const watch = new SessionWatch({ resource: 'orders', clock, timers, lookAfterMs, look });
  const doors: ConnectionDoors & { readonly settings: PostgresSettings } = { pool, watch, settings };
  return { ...doors, opened };
}

type DoorOptions = Pick<MadeOptions, 'statementErrors'> &
  Partial<Pick<SessionWatchOptions, 'lookAfterMs' | 'look'>> & { readonly open?: typeof openPostgres };

export type TestBranchDoors = ReturnType<typeof branchDoors>;

/** A branch on such doors, and its connection. */
export async function beginOn(story: ResourceStory, doors: TestBranchDoors) {
  const id = { transaction: story.transactionId(), qualifier: 'aaaaaaaaaaaaa.aa' };
  const branch = await beginBranch(
    { id, isolationLevel: 'read committed', idleMsMax: 60_000 },
    { ...doors, resource: story.resource, tables: new PostgresTables(), endSession: async () => undefined },
  );
  const connection = doors.opened.at(-1);
  assert.ok(connection !== undefined);
  return { branch, connection, db: branch.client as PoolClient };
}
