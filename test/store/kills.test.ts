import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import type { Store } from '../../src/store/store.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { endOf, startChild } from './child-process.ts';
import { readAll, temporaryDirectories } from './store-fixture.ts';

const newDirectory = temporaryDirectories();

interface Killed {
  /** The first unit of this life, and those that were acknowledged before its end. */
  readonly first: number;
  readonly acknowledged: readonly number[];
}

/** Runs children/write-until-killed.ts until it dies: by its failpoint, or killed after so many acknowledgements. */
async function writeUntilKilled(
  directory: string,
  options: { readonly producers: number; readonly failpoint?: string; readonly killAfter?: number },
): Promise<Killed> {
  const environment: Record<string, string> =
    options.failpoint === undefined ? {} : { POSTHORN_FAILPOINT: options.failpoint };
  const child = startChild('write-until-killed.ts', [directory, String(options.producers)], environment);
  child.stderr.unpipe();
  let acknowledgementCount = 0;
  child.stdout.on('data', (dots: Buffer) => {
    acknowledgementCount += dots.length;
    if (acknowledgementCount > (options.killAfter ?? Number.POSITIVE_INFINITY)) child.kill('SIGKILL');
  });
  assert.deepEqual(await endOf(child), { code: null, signal: 'SIGKILL' });
  const lines = readFileSync(`${directory}.acknowledged`, 'utf8').trimEnd().split('\n');
  const [first = 0, ...acknowledged] = lines.map(Number);
  return { first, acknowledged };
}

/**
 * How many units of one life are there; fails when they are not the first ones of it, each whole and counted once. A life
 * that was not the last ends where the next begins.
 */
async function countUnits(store: Store, first: number, nextLife = Number.POSITIVE_INFINITY): Promise<number> {
  const { entries } = await store.readState({ prefix: `units/${first}`, countMax: 1 });
  const count = Number(entries[0]?.value ?? 0);
  const inLife = async (place: number): Promise<number[]> => {
    const positions = (await readAll(store, place)).map(({ position }) => position);
    return positions.filter((position) => position >= 2 * first && position < 2 * nextLife);
  };
  const [waiting, takenAway] = [await inLife(1), await inLife(3)];
  assert.deepEqual(
    [...takenAway, ...waiting],
    Array.from({ length: 2 * count }, (_, index) => 2 * first + index),
  );
  assert.equal(waiting.length, 2 * Math.min(3, count), 'each unit took the pair of three units before it away');
  return count;
}

async function openAfter(directory: string): Promise<Store> {
  const store = await openStore({ directory, io: nodeIo() });
  assert.equal(store.opened.wasClosedCleanly, false);
  for (const { place, messageCount } of store.opened.places) {
    assert.equal((await readAll(store, place)).length, messageCount, `the count of place ${place} is right`);
  }
  return store;
}

/** [name, failpoint, units that are there beyond the acknowledged ones] */
const MOMENTS: readonly (readonly [string, string, number])[] = [
  ['fault 1: killed before a group is written: it is not there', 'store.before-apply:40', 0],
  [
    'fault 2: killed after a group is written and before its sync: it is not there',
    'store.applied-before-commit:40',
    0,
  ],
  ['fault 3: killed after the sync and before the answer: it is there', 'store.committed-before-answer:40', 1],
];

describe('a process that dies', () => {
  for (const [name, failpoint, unanswered] of MOMENTS) {
    test(name, async () => {
      const directory = newDirectory();
      const { first, acknowledged } = await writeUntilKilled(directory, { producers: 1, failpoint });
      assert.ok(acknowledged.length > 30);
      const store = await openAfter(directory);
      assert.equal(await countUnits(store, first), acknowledged.length + unanswered);
      await store.close();
    });
  }

  for (const failpoint of ['store.before-checkpoint', 'store.after-checkpoint']) {
    test(`fault 13: killed at '${failpoint}': nothing is lost, and nothing comes back`, async () => {
      const directory = newDirectory();
      const { first, acknowledged } = await writeUntilKilled(directory, { producers: 8, failpoint: `${failpoint}:3` });
      const store = await openAfter(directory);
      const there = await countUnits(store, first);
      assert.ok(there >= acknowledged.length, `${there} units are there, ${acknowledged.length} were acknowledged`);
      await store.close();
    });
  }

  test('faults 1 to 3: killed at any moment, ten times over: what was acknowledged is a prefix of what is there', async (t) => {
    const directory = newDirectory();
    const lives: Killed[] = [];
    for (let life = 0; life < 10; life++) {
      lives.push(await writeUntilKilled(directory, { producers: 16, killAfter: 100 + life * 97 }));
    }
    const store = await openAfter(directory);
    for (const [index, { first, acknowledged }] of lives.entries()) {
      const there = await countUnits(store, first, lives[index + 1]?.first);
      assert.ok(there >= acknowledged.length, `life ${index} from ${first}: ${there} of ${acknowledged.length}`);
    }
    t.diagnostic(`${lives.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0)} units acknowledged`);
    await store.close();
  });
});
