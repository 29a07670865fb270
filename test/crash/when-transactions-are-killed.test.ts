import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { requireMariadb, requirePostgres } from '../support/test-databases.ts';
import { CrashDatabases } from './transactions/databases.ts';
import { describeLoad, runLoad } from './transactions/load-run.ts';
import { describeMatrix, isMatrixPassed, ROWS, runMatrix } from './transactions/matrix.ts';

/** One of each part; `npm run test:crash -- --transactions` goes through all of them. */
const STEPS = [
  'STAGE is there, before the commit',
  'all prepared, before the decision',
  'decided, before the commits',
  'recovery, fenced before discard (staged before commit)',
];

describe('transactions whose process is killed, on PostgreSQL and MariaDB', () => {
  test('faults 64, 66, 69 and 70: at every step, with and without a restart of the databases, all parts agree', async (t) => {
    if (requirePostgres(t) === undefined || requireMariadb(t) === undefined) return;
    await using stand = await Stand.begin();
    const rows = ROWS.filter(({ name }) => STEPS.includes(name));
    assert.equal(rows.length, STEPS.length);
    const cells = await runMatrix({ ...stand, rows, tell: () => {} });
    assert.ok(isMatrixPassed(cells), `\n${describeMatrix(cells).join('\n')}`);
  });

  test('under load, with a kill every now and then, no branch stays prepared and no row is without its message', async (t) => {
    if (requirePostgres(t) === undefined || requireMariadb(t) === undefined) return;
    await using stand = await Stand.begin();
    const kinds = ['postgres', 'mariadb'] as const;
    const report = await runLoad({ ...stand, kinds, messages: 800, handledPerKill: 200, tell: () => {} });
    assert.deepEqual(report.faults, [], describeLoad(report).join('\n'));
    assert.ok(report.kills >= 2, String(report.kills));
  });
});

/** Servers of the test's own, which it may kill. */
class Stand implements AsyncDisposable {
  readonly directory: string;
  readonly databases: CrashDatabases;

  private constructor(directory: string, databases: CrashDatabases) {
    this.directory = directory;
    this.databases = databases;
  }

  static async begin(): Promise<Stand> {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-crash-'));
    return new Stand(directory, await CrashDatabases.start(directory));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.databases[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
