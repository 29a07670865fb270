import type { TestContext } from 'node:test';
import { EffectsDatabase } from './effects-database.ts';
import { requireMariadb, requirePostgres } from './test-databases.ts';

/** A fresh database of each kind; `undefined` after the test was skipped for want of one. */
export async function bothDatabases(t: TestContext): Promise<BothDatabases | undefined> {
  const servers = { postgres: requirePostgres(t), mariadb: requireMariadb(t) };
  if (servers.postgres === undefined || servers.mariadb === undefined) return undefined;
  const postgres = await EffectsDatabase.make(servers.postgres);
  const mariadb = await EffectsDatabase.make(servers.mariadb);
  const all = [postgres, mariadb];
  const dispose = async (): Promise<void> => void (await Promise.all(all.map((each) => each[Symbol.asyncDispose]())));
  return { postgres, mariadb, all, [Symbol.asyncDispose]: dispose };
}

export interface BothDatabases extends AsyncDisposable {
  readonly postgres: EffectsDatabase;
  readonly mariadb: EffectsDatabase;
  readonly all: readonly EffectsDatabase[];
}

/** For stories that hold on each kind of database by itself. */
export const KINDS = [
  { kind: 'postgres', title: 'PostgreSQL', requireServer: requirePostgres },
  { kind: 'mariadb', title: 'MariaDB', requireServer: requireMariadb },
] as const;

/** What the wire carries when a database is asked this, by its kind. */
export const REQUESTS = {
  postgres: {
    prepare: /prepare transaction/i,
    finish: /commit prepared/i,
    insertMarker: /insert into \S*posthorn_marker/i,
    commitWithMarker: /insert into \S*posthorn_marker/i,
  },
  mariadb: {
    prepare: /xa prepare/i,
    finish: /xa commit/i,
    insertMarker: /insert into \S*posthorn_marker/i,
    // The insert is awaited before.
    commitWithMarker: /xa commit .* one phase/i,
  },
} as const;
