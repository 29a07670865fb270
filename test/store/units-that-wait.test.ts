import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Timers } from '../../src/io/io.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import type { Store, Unit } from '../../src/store/store.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { bodiesOf, PLACES, put, temporaryDirectories, withCode } from './store-fixture.ts';

const newDirectory = temporaryDirectories();

/** A store in a worker, whose patience with units that can wait ends when the test says so. */
async function setup(t: TestContext) {
  const { timers, ...doors } = nodeIo();
  const patience: { end(): void; isCancelled: boolean }[] = [];
  const held: Timers = {
    soon: (action) => timers.soon(action),
    after: (_, end) => {
      const timer = { end, isCancelled: false };
      patience.push(timer);
      const cancel = (): void => {
        timer.isCancelled = true;
      };
      return { cancel };
    },
  };
  const directory = newDirectory();
  const started = once(process, 'worker');
  const opening = openStore({ directory, io: { ...doors, timers: held } });
  const [worker] = (await started) as [Worker];
  const store = await opening;
  t.after(() => store.close());
  await store.commit({ operations: PLACES });
  assert.equal(patience.length, 0, 'a unit that cannot wait needs no patience');
  return { store, directory, worker, patience };
}

function waiting(position: number, body: string): Unit {
  return { operations: [put(1, position, body)], canWait: true };
}

/** What is settled by the time that a read, which is asked for now, is answered: as much as the worker was given before. */
async function settledBefore(store: Store, commits: readonly Promise<void>[]): Promise<readonly string[]> {
  const settled: string[] = [];
  for (const [index, commit] of commits.entries()) void commit.then(() => settled.push(String(index)));
  await bodiesOf(store, 1);
  return settled;
}

describe('units that can wait, in a worker', () => {
  test('are not handed to the worker until another one is, and then in their order', async (t) => {
    const { store, patience } = await setup(t);
    const commits = [store.commit(waiting(1, 'a')), store.commit(waiting(2, 'b'))];
    assert.deepEqual(await settledBefore(store, commits), []);
    assert.deepEqual(await bodiesOf(store, 1), []);
    assert.equal(patience.length, 1, 'one timer for all');
    const order: string[] = [];
    const noted = commits.map((commit, index) => commit.then(() => order.push(`waiting ${index}`)));
    await store.commit({ operations: [put(1, 3, 'c')] }).then(() => order.push('next'));
    await Promise.all(noted);
    assert.deepEqual(order, ['waiting 0', 'waiting 1', 'next']);
    assert.deepEqual(await bodiesOf(store, 1), ['a', 'b', 'c']);
  });

  test('are written by themselves when the store has no more patience, again and again', async (t) => {
    const { store, patience } = await setup(t);
    for (const [index, bodies] of [['a'], ['a', 'b'], ['a', 'b', 'c']].entries()) {
      const commit = store.commit(waiting(index, bodies.at(-1) ?? ''));
      assert.deepEqual(await settledBefore(store, [commit]), []);
      assert.equal(patience.length, index + 1);
      patience[index]?.end();
      await commit;
      assert.deepEqual(await bodiesOf(store, 1), bodies);
    }
  });

  test('end of patience with nothing left to write writes nothing', async (t) => {
    const { store, patience } = await setup(t);
    const first = store.commit(waiting(1, 'a'));
    await store.commit({ operations: [] });
    await first;
    patience[0]?.end();
    const second = store.commit(waiting(2, 'b'));
    assert.deepEqual(await settledBefore(store, [second]), []);
    assert.equal(patience.length, 2);
    patience[1]?.end();
    await second;
  });

  test('are written by close, which leaves no timer behind', async (t) => {
    const { store, directory, patience } = await setup(t);
    const commit = store.commit(waiting(1, 'a'));
    await store.close();
    await commit;
    assert.deepEqual(
      patience.map(({ isCancelled }) => isCancelled),
      [true],
    );
    const again = await openStore({ directory, io: nodeIo() });
    t.after(() => again.close());
    assert.equal(again.opened.wasClosedCleanly, true);
    assert.deepEqual(await bodiesOf(again, 1), ['a']);
  });

  test('are unknown when the worker dies while they wait', async (t) => {
    const { store, worker, patience } = await setup(t);
    const commit = store.commit(waiting(1, 'a'));
    void worker.terminate();
    await assert.rejects(commit, withCode('OUTCOME_UNKNOWN'));
    patience[0]?.end();
    await assert.rejects(store.commit(waiting(2, 'b')), withCode('STORE_FAILED'));
  });
});
