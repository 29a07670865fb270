import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { FAILPOINT_REACHED, type Failpoint } from '../../src/io/failpoint.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import { type BothDatabases, bothDatabases, KINDS, REQUESTS } from '../support/both-databases.ts';
import { startFixture } from '../support/command-line.ts';
import { DatabaseStory, type Place } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';

/**
 * Where a process dies, and what it leaves behind in both databases. `keeps`: a request to MariaDB that is kept back meanwhile,
 * so that PostgreSQL alone has been asked.
 */
const DEATHS: readonly Death[] = [
  {
    title: 'fault 62: before any prepare: everything is rolled back, and the message is handled again',
    at: 'transaction.before-prepare',
    leaves: { prepared: 0, effects: 0, decided: 0 },
  },
  {
    title: 'fault 63: between two prepares: the first branch is rolled back by recovery',
    at: 'transaction.branch-prepared',
    keeps: REQUESTS.mariadb.prepare,
    leaves: { prepared: 1, effects: 0, decided: 0 },
  },
  {
    title: 'fault 64: after all prepares, before the decision: both branches are rolled back',
    at: 'transaction.prepared-before-decision',
    leaves: { prepared: 2, effects: 0, decided: 0 },
  },
  {
    title: 'fault 65: while the decision is written: it is none, and both branches are rolled back',
    // The sixth unit of that life; what is left behind shows that it was the decision.
    at: 'store.applied-before-commit:6',
    leaves: { prepared: 2, effects: 0, decided: 0 },
  },
  {
    title: 'fault 66: after the decision, before any commit: recovery commits both branches',
    at: 'transaction.decided-before-commit',
    leaves: { prepared: 2, effects: 0, decided: 1 },
  },
  {
    title: 'fault 67: between two commits: recovery commits the other one',
    at: 'transaction.branch-committed',
    keeps: REQUESTS.mariadb.finish,
    leaves: { prepared: 1, effects: 1, decided: 1 },
  },
  {
    title: 'fault 68: after all commits, before the end is noted: both are proven committed, and forgotten',
    at: 'transaction.committed-before-release',
    leaves: { prepared: 0, effects: 2, decided: 1 },
  },
];

interface Death {
  readonly title: string;
  /** A failpoint, and which passage. */
  readonly at: string;
  readonly keeps?: RegExp;
  readonly leaves: { readonly prepared: number; readonly effects: number; readonly decided: number };
}

/** Where recovery of a decided transaction dies, one life after the other. */
const DEATHS_OF_COMMITTING: readonly Failpoint[] = [
  'recovery.before-epoch',
  'recovery.after-epoch',
  'recovery.after-witness',
  'recovery.before-finish',
  'recovery.finished-before-noted',
  'recovery.scanned',
  'recovery.before-end',
];

/**
 * The same of a staged one that never committed. A message that was being handled at three deaths goes to the error queue, so
 * these are several runs.
 */
const DEATHS_OF_DISCARDING: readonly (readonly Failpoint[])[] = [
  ['recovery.before-fence', 'recovery.fenced-before-discard', 'recovery.discarded'],
  ['recovery.before-abort-row-deleted'],
  ['recovery.after-abort-row-deleted'],
];

describe('when a process dies in a transaction over databases', { concurrency: 2, timeout: 240_000 }, () => {
  for (const { title, at, keeps, leaves } of DEATHS) {
    test(title, async (t) => {
      await using both = await bothDatabases(t);
      if (both === undefined) return;
      await using story = await DatabaseStory.begin();
      await story.put('numbers', 1);
      if (keeps !== undefined) void both.mariadb.proxy.trap(keeps, 'request');
      await dieAt(t, story, both.all, at);
      // The process may have died before it even asked.
      both.mariadb.proxy.disarm();
      both.mariadb.proxy.cut();
      assert.deepEqual(await whatIsLeft(story, both), leaves);
      const numbers = story.numbersEndpoint(both.all);
      await numbers.endpoint.start();
      await story.untilAgreed(both.all, [1]);
      assert.equal(numbers.attempts(), leaves.decided === 1 ? 0 : 1);
    });
  }

  test('fault 69: recovery of a decided transaction dies at each of its steps: the next one goes on', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    await using story = await DatabaseStory.begin();
    await story.put('numbers', 1);
    await dieAt(t, story, both.all, 'transaction.decided-before-commit');
    for (const step of DEATHS_OF_COMMITTING) await dieAt(t, story, both.all, step);
    const numbers = story.numbersEndpoint(both.all);
    await numbers.endpoint.start();
    await story.untilAgreed(both.all, [1]);
    assert.equal(numbers.attempts(), 0);
  });

  for (const { title, requireServer } of KINDS) {
    test(`fault 69: recovery by the fence on ${title} dies at each of its steps: the next one goes on`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      for (const steps of DEATHS_OF_DISCARDING) {
        await using database = await EffectsDatabase.make(server);
        await using story = await DatabaseStory.begin();
        await story.put('numbers', 1);
        await dieAt(t, story, [database], 'transaction.staged-before-commit');
        for (const step of steps) await dieAt(t, story, [database], step);
        const numbers = story.numbersEndpoint([database]);
        await numbers.endpoint.start();
        await story.untilAgreed([database], [1]);
      }
    });

    test(`fault 69: recovery of a transaction that ${title} has committed dies at each of its steps: it is not handled again`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      await story.put('numbers', 1);
      await dieAt(t, story, [database], 'transaction.committed-before-apply');
      for (const step of ['recovery.before-fence', 'recovery.fenced-before-apply'] as const)
        await dieAt(t, story, [database], step);
      const numbers = story.numbersEndpoint([database]);
      await numbers.endpoint.start();
      await story.untilAgreed([database], [1]);
      assert.equal(numbers.attempts(), 0);
    });
  }
});

const LIFE_MS_MAX = 15_000;

/** A life of the endpoint that handles, or recovers, until it dies there. */
async function dieAt(
  t: TestContext,
  story: DatabaseStory,
  databases: readonly EffectsDatabase[],
  at: string,
): Promise<void> {
  await story.close();
  const places: Place[] = databases.map(({ kind, url }) => ({ kind, url }));
  const host = startFixture('numbers-host.ts', [story.directory, JSON.stringify(places)], {
    env: { POSTHORN_FAILPOINT: at },
  });
  const kill = (): unknown => host.process.kill('SIGKILL');
  t.after(kill);
  // One that never comes by the failpoint is told by name.
  const deadline = nodeIo().timers.after(LIFE_MS_MAX, kill);
  const { stderr } = await host.ended;
  deadline.cancel();
  assert.ok(stderr.includes(`${FAILPOINT_REACHED}: ${at.split(':')[0]}`), `it did not die at ${at}: ${stderr}`);
  await story.open();
}

async function whatIsLeft(story: DatabaseStory, { all }: BothDatabases) {
  const left = await story.leftOver(all);
  const effects = await Promise.all(all.map((database) => database.numbers()));
  return {
    prepared: left.filter((id) => id.startsWith('P1.')).length,
    effects: effects.flat().length,
    decided: left.filter((id) => id.startsWith('transaction/')).length,
  };
}
