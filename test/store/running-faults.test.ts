import assert from 'node:assert/strict';
import { once } from 'node:events';
import { statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { nodeIo } from '../../src/io/node-io.ts';
import type { Operation, StoreCondition } from '../../src/store/store.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { endOf, linesOf, startChild } from './child-process.ts';
import { bodiesOf, PLACES, put, readAll, temporaryDirectories, withCode } from './store-fixture.ts';

const newDirectory = temporaryDirectories();

describe('a running store', () => {
  test('when its worker dies, what is on the way is unknown, nothing more is taken, and the directory opens again', async () => {
    const directory = newDirectory();
    const started = once(process, 'worker');
    const opening = openStore({ directory, io: nodeIo() });
    const [worker] = (await started) as [Worker];
    const store = await opening;
    await store.commit({ operations: [...PLACES, put(1, 1, 'kept')] });
    const conditions: StoreCondition[] = [];
    store.onCondition((condition) => conditions.push(condition));
    void worker.terminate();
    const onTheWay = store.commit({ operations: [put(1, 2, 'unknown')] });
    const read = store.readMessages({ place: 1, countMax: 1, bytesMax: 1, withBodies: true });
    await assert.rejects(onTheWay, withCode('OUTCOME_UNKNOWN'));
    await assert.rejects(read, withCode('STORE_FAILED'));
    assert.deepEqual(
      conditions.map(({ state }) => state),
      ['failed'],
    );
    await assert.rejects(store.commit({ operations: [] }), withCode('STORE_FAILED'));
    await assert.rejects(store.nextDeadline(0), withCode('STORE_FAILED'));
    assert.equal(store.admission(), undefined);
    await store.close();
    const again = await openStore({ directory, io: nodeIo() });
    assert.equal(again.opened.wasClosedCleanly, false);
    assert.equal((await bodiesOf(again, 1))[0], 'kept');
    await again.close();
  });

  test('fault 16: without a free descriptor the work goes on, another store cannot be opened, and later it can', async () => {
    const child = startChild('no-descriptors.ts', [newDirectory(), newDirectory()], {}, { descriptorsMax: 64 });
    const line = await linesOf(child).next();
    assert.deepEqual(await endOf(child), { code: 0, signal: null });
    assert.deepEqual(JSON.parse(line.value), {
      exhaustion: 'EMFILE',
      opening: 'STORE_FAILED',
      read: 201,
      condition: 'ready',
    });
  });

  test('space that a drained queue leaves goes back to the file system', async () => {
    const directory = newDirectory();
    const store = await openStore({ directory, io: nodeIo(), reserveBytes: 0 });
    await store.commit({ operations: PLACES });
    const positions = Array.from({ length: 400 }, (_, index) => index);
    const body = 'x'.repeat(100_000);
    for (const position of positions) await store.commit({ operations: [put(1, position, body)] });
    const path = join(directory, 'posthorn.db');
    const watcher = watch(path);
    const removals = positions.map((position): Operation => ({ kind: 'remove', place: 1, position }));
    await store.commit({ operations: removals });
    while (statSync(path).size > 6_000_000) await once(watcher, 'change');
    watcher.close();
    await store.commit({ operations: [put(1, 1000, 'after')] });
    assert.deepEqual(await bodiesOf(store, 1), ['after']);
    await store.close();
  });

  test('reads and commits wait little while a million bytes an operation go through', async () => {
    const store = await openStore({ directory: newDirectory(), io: nodeIo() });
    await store.commit({ operations: PLACES });
    const body = 'x'.repeat(1_000_000);
    const large = Array.from({ length: 60 }, (_, position) => store.commit({ operations: [put(3, position, body)] }));
    const read = store.readMessages({ place: 1, countMax: 10, bytesMax: 1000, withBodies: true });
    const first = await Promise.race([read.then(() => 'read'), large.at(-1)?.then(() => 'all the large units')]);
    assert.equal(first, 'read', 'a read comes between groups, not behind all of them');
    await Promise.all(large);
    assert.equal((await readAll(store, 3)).length, 60);
    await store.close();
  });
});
