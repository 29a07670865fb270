import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Failpoint } from '../../src/io/failpoint.ts';
import { CrashRun } from './crash-run.ts';
import { describeReport, isPassed } from './report.ts';

/** One of each part; `npm run test:crash` goes through all of them, and longer. */
const FAILPOINTS: readonly Failpoint[] = [
  'store.applied-before-commit',
  'store.committed-before-answer',
  'unit.committed-before-outcome',
  'loop.handled-before-commit',
  'recoverability.before-error-queue',
  'return.after-page',
];

describe('processes that are killed under load', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'posthorn-crash-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('lose no message, double none, and leave no half units', async () => {
    const run = new CrashRun({
      kills: 9,
      secondsMin: 0,
      failpoints: FAILPOINTS,
      minimum: 500,
      seed: 4711,
      directory,
      tell: () => {},
    });
    const report = await run.run();
    assert.ok(isPassed(report), describeReport(report).join('\n'));
  });
});
