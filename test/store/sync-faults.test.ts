import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { requireCapability } from '../support/capabilities.ts';
import { endOf, linesOf, startChild } from './child-process.ts';
import { readAll, temporaryDirectories } from './store-fixture.ts';
import { buildSyncFaults, readSyncLog, syncFaultEnvironment } from './sync-faults.ts';

const newDirectory = temporaryDirectories();
const faults = buildSyncFaults();

interface Played<T> {
  readonly result: T & { readonly conditions: readonly string[] };
  readonly directory: string;
  readonly log: ReturnType<typeof readSyncLog>;
}

/** Plays a scenario of children/sync-scenario.ts; undefined when the machine cannot. */
async function play<T>(t: TestContext, scenario: string, synchronous = 'FULL'): Promise<Played<T> | undefined> {
  if (!requireCapability(t, 'sync-faults', () => faults.whyMissing)) return undefined;
  const directory = newDirectory();
  mkdirSync(directory);
  const child = startChild(
    'sync-scenario.ts',
    [join(directory, 'store'), scenario, synchronous],
    syncFaultEnvironment(faults.libraryPath, directory),
  );
  const line = await linesOf(child).next();
  assert.deepEqual(await endOf(child), { code: 0, signal: null });
  return { result: JSON.parse(line.value), directory, log: readSyncLog(join(directory, 'sync-log')) };
}

interface Acknowledged {
  readonly answers: readonly { readonly handedOverNs: string; readonly answeredNs: string }[];
}

/** How many answers came without a successful sync of the log that started after the handing over and ended before. */
function countUnsynced({ result, log }: Played<Acknowledged>): number {
  const syncs = log.filter(({ path, succeeded }) => succeeded && path.endsWith('-wal'));
  const isSynced = ({ handedOverNs, answeredNs }: Acknowledged['answers'][number]): boolean =>
    syncs.some(({ startNs, endNs }) => startNs >= BigInt(handedOverNs) && endNs <= BigInt(answeredNs));
  return result.answers.filter((answer) => !isSynced(answer)).length;
}

describe('acknowledgements', () => {
  test('S1: every acknowledgement follows a sync that started after its unit was handed over', async (t) => {
    const played = await play<Acknowledged>(t, 'acknowledge');
    if (played === undefined) return;
    assert.equal(played.result.answers.length, 320);
    assert.equal(countUnsynced(played), 0);
  });

  test('S1: the test before would notice a store that does not sync', async (t) => {
    const played = await play<Acknowledged>(t, 'acknowledge', 'NORMAL');
    if (played === undefined) return;
    assert.equal(played.result.answers.length, 320);
    assert.ok(countUnsynced(played) > 300, `${countUnsynced(played)} of 320 were noticed`);
  });
});

interface Outcomes {
  /** By position. */
  readonly outcomes: readonly string[];
  readonly positions: readonly number[];
  readonly condition: string;
}

/** What a fresh process finds, with a disk that works. */
async function positionsOnDisk(directory: string): Promise<number[]> {
  const store = await openStore({ directory: join(directory, 'store'), io: nodeIo() });
  const messages = await readAll(store, 1);
  await store.close();
  return messages.map(({ position }) => position);
}

function storedOf(outcomes: readonly string[]): number[] {
  return outcomes.flatMap((outcome, position) => (outcome === 'stored' ? [position] : []));
}

describe('a sync that fails', () => {
  test('S6, fault 9: once: each waiting unit is answered by what is there, and the store goes on', async (t) => {
    const played = await play<Outcomes>(t, 'failOnce');
    if (played === undefined) return;
    const { outcomes, positions, condition, conditions } = played.result;
    assert.deepEqual(conditions, ['recovering', 'ready']);
    assert.equal(condition, 'ready');
    assert.deepEqual(
      outcomes.filter((outcome) => outcome !== 'stored' && outcome !== 'STORE_SYNC_FAILED'),
      [],
    );
    assert.equal(played.log.filter(({ succeeded }) => !succeeded).length, 1);
    assert.deepEqual(positions, storedOf(outcomes));
    assert.deepEqual(outcomes.slice(30), Array(10).fill('stored'));
    assert.deepEqual(await positionsOnDisk(played.directory), positions);
  });

  test('S6, fault 10: for good: what waits is unknown, nothing more is taken, reads go on', async (t) => {
    const played = await play<Outcomes>(t, 'failAlways');
    if (played === undefined) return;
    const { outcomes, positions, condition, conditions } = played.result;
    assert.deepEqual(conditions, ['recovering', 'failed']);
    assert.equal(condition, 'failed');
    assert.deepEqual(outcomes.slice(0, 10), Array(10).fill('stored'));
    // Of the 20 on the way, those of the group whose sync failed are unknown; a later group was never begun, and says so.
    const unknownCount = outcomes.lastIndexOf('OUTCOME_UNKNOWN') + 1 - 10;
    assert.ok(unknownCount > 0 && unknownCount <= 20, `${unknownCount} are unknown`);
    assert.deepEqual(outcomes.slice(10, 10 + unknownCount), Array(unknownCount).fill('OUTCOME_UNKNOWN'));
    assert.deepEqual(outcomes.slice(10 + unknownCount), Array(30 - unknownCount).fill('STORE_FAILED'));
    assert.deepEqual(positions.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const onDisk = await positionsOnDisk(played.directory);
    assert.deepEqual(onDisk.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.ok(
      onDisk.every((position) => position < 10 + unknownCount),
      'what was never begun is not there',
    );
  });
});

describe('a staged transaction over a sync that fails', () => {
  test('Q1: what it received stays locked when the store was reopened and its queue is read again', async (t) => {
    const played = await play<Record<string, unknown>>(t, 'stagedInput');
    if (played === undefined) return;
    const { conditions: _, ...result } = played.result;
    assert.deepEqual(result, {
      before: 'free',
      refused: 'STORE_SYNC_FAILED',
      after: 'free too',
      purged: 0,
      left: ['staged, locked'],
      failures: ['STORE_SYNC_FAILED'],
    });
  });
});

describe('each sync in turn', () => {
  test('S6: whichever sync fails, of opening, commits, checkpoints or closing: what was stored is there', async (t) => {
    const played = await play<{
      outcomes: string[];
      positions: number[];
      syncs: number;
      failedOpenings: number;
    }>(t, 'failEach');
    if (played === undefined) return;
    const { outcomes, positions, failedOpenings } = played.result;
    t.diagnostic(`${played.result.syncs} syncs, ${failedOpenings} openings failed, ${outcomes.length} units`);
    assert.deepEqual(
      outcomes.filter((outcome) => outcome !== 'stored' && outcome !== 'STORE_SYNC_FAILED'),
      [],
    );
    assert.ok(outcomes.includes('STORE_SYNC_FAILED'));
    assert.ok(failedOpenings > 0);
    assert.deepEqual(positions, storedOf(outcomes));
    assert.deepEqual(await positionsOnDisk(played.directory), positions);
  });
});

describe('a disk that stalls', () => {
  test('fault 15: nothing is acknowledged meanwhile, and the event loop turns on', async (t) => {
    const played = await play<{ turns: number; longestMs: number; answeredAfterMs: number }>(t, 'stall');
    if (played === undefined) return;
    const { turns, longestMs, answeredAfterMs } = played.result;
    assert.ok(answeredAfterMs >= 3000, `answered after ${answeredAfterMs} ms`);
    assert.ok(turns > 1000, `${turns} turns`);
    assert.ok(longestMs < 1000, `the event loop stood still for ${longestMs} ms`);
  });
});
