import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { PosthornError } from '../../src/message/posthorn-error.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';
import type { Operation, Store, StoreCondition } from '../../src/store/store.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { requireCapability } from '../support/capabilities.ts';
import { type MountedTmpfs, mountTmpfs, whyNoTmpfs } from '../support/tmpfs.ts';
import { PLACES, readAll } from './store-fixture.ts';

const MEBIBYTE = 1024 * 1024;
const MESSAGE_COUNT = 10_000;
/** Behind those of the fixture. */
const HELD_PLACE = 9;

/** A store with 10,000 messages of 1 KiB on a small file system of its own. */
async function setup(
  t: TestContext,
  options: { readonly lowWaterBytes?: number } = {},
): Promise<{ store: Store; tmpfs: MountedTmpfs; conditions: string[] } | undefined> {
  if (!requireCapability(t, 'tmpfs', whyNoTmpfs)) return undefined;
  const tmpfs = mountTmpfs(t, 64 * MEBIBYTE);
  const store = await openStore({ directory: join(tmpfs.directory, 'store'), io: nodeIo(), ...options });
  t.after(() => store.close());
  const conditions: string[] = [];
  store.onCondition(({ state }) => conditions.push(state));
  await store.commit({ operations: PLACES });
  for (let first = 0; first < MESSAGE_COUNT; first += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, index) => send(store, first + index)));
  }
  // 5 % of a small file system.
  assert.ok(statSync(join(tmpfs.directory, 'store', 'reserve')).size > 3 * MEBIBYTE);
  return { store, tmpfs, conditions };
}

const BODY = Buffer.alloc(1024, 'x');

function put(position: number): Operation {
  return { kind: 'put', place: 1, position, message: { headers: '{}', body: BODY } };
}

function send(store: Store, position: number): Promise<void> {
  return store.commit({ operations: [put(position)] });
}

/** Takes everything: what else is on the file system grows until nothing is free. */
function fillDisk(directory: string): void {
  const descriptor = openSync(join(directory, 'somebody-else'), 'w');
  try {
    for (let pieceBytes = MEBIBYTE; pieceBytes >= 4096; pieceBytes /= 2) {
      const piece = Buffer.alloc(pieceBytes);
      while (statfsSync(directory).bavail > 0) if (!tryToWrite(descriptor, piece)) break;
    }
  } finally {
    closeSync(descriptor);
  }
}

function tryToWrite(descriptor: number, piece: Buffer): boolean {
  try {
    return writeSync(descriptor, piece) > 0;
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    return false;
  }
}

async function codeOf(commit: Promise<void>): Promise<string> {
  try {
    await commit;
    return 'stored';
  } catch (error) {
    return error instanceof PosthornError ? error.code : String(error);
  }
}

/** Receives and removes until the place is empty, one message per unit as receivers do; the positions in order. */
async function drain(store: Store): Promise<number[]> {
  const positions: number[] = [];
  for (;;) {
    const page = await store.readMessages({ place: 1, countMax: 64, bytesMax: MEBIBYTE, withBodies: true });
    await Promise.all(
      page.messages.map(({ position, damaged }) => {
        assert.ok(!damaged);
        return store.commit({ operations: [{ kind: 'remove', place: 1, position }] });
      }),
    );
    positions.push(...page.messages.map(({ position }) => position));
    if (page.isLast) return positions;
  }
}

/** Sends one after another from the first free position; how many messages are there when one is refused. */
async function sendUntilRefused(store: Store, from = MESSAGE_COUNT): Promise<number> {
  for (let position = from; ; position++) {
    const code = await codeOf(send(store, position));
    if (code === 'stored') continue;
    assert.equal(code, 'STORE_FULL');
    return position;
  }
}

function untilReady(store: Store): Promise<void> {
  return new Promise((resolve) => {
    const look = ({ state }: StoreCondition): void => {
      if (state === 'ready') resolve();
    };
    store.onCondition(look);
    look(store.condition);
  });
}

describe('a full disk', () => {
  test('fault 11: sends are refused early, 10,000 messages drain to the last, and sending resumes by itself', async (t) => {
    const prepared = await setup(t);
    if (prepared === undefined) return;
    const { store, conditions } = prepared;
    const messageCount = await sendUntilRefused(store);
    assert.deepEqual(conditions, ['full']);
    assert.deepEqual(await drain(store), [...Array(messageCount).keys()]);
    await untilReady(store);
    assert.equal(await codeOf(send(store, 1_000_000)), 'stored');
    assert.deepEqual(conditions, ['full', 'ready']);
  });

  test('fault 11: on a disk that others filled to the last block, 10,000 messages drain to the last', async (t) => {
    const prepared = await setup(t, { lowWaterBytes: 0 });
    if (prepared === undefined) return;
    const { store, tmpfs, conditions } = prepared;
    fillDisk(tmpfs.directory);
    const reserve = join(tmpfs.directory, 'store', 'reserve');
    let messageCount = MESSAGE_COUNT;
    // The first refusals make the log give back its space, which is enough for a few more.
    while (existsSync(reserve)) messageCount = await sendUntilRefused(store, messageCount);
    assert.deepEqual(await drain(store), [...Array(messageCount).keys()]);
    await untilReady(store);
    assert.ok(statSync(reserve).size > 3 * MEBIBYTE, 'the reserve was made again from what the drain gave back');
    assert.equal(await codeOf(send(store, 1_000_000)), 'stored');
    assert.deepEqual(conditions.slice(-2), ['full', 'ready']);
  });

  test('fault 11: of one group only the units that grow the store are refused', async (t) => {
    const prepared = await setup(t, { lowWaterBytes: 0 });
    if (prepared === undefined) return;
    const { store, tmpfs } = prepared;
    fillDisk(tmpfs.directory);
    const messageCount = await sendUntilRefused(store);
    const remove = (position: number): Operation => ({ kind: 'remove', place: 1, position });
    const codes = await Promise.all(
      [
        [put(20_000)],
        [remove(0)],
        [remove(1), put(20_001)],
        [remove(2), remove(3), put(20_002)],
        [{ kind: 'setState', key: 'operation/1', value: 'x' } as const],
        [remove(4), { kind: 'setState', key: 'operation/2', value: 'x' } as const],
        [{ kind: 'move', place: 1, position: 5, toPlace: 3, toPosition: 5 } as const],
        [{ kind: 'deleteState', key: 'operation/2' } as const],
        [],
      ].map((operations) => codeOf(store.commit({ operations }))),
    );
    assert.deepEqual(codes, [
      'STORE_FULL',
      'stored',
      'STORE_FULL',
      'stored',
      'STORE_FULL',
      'stored',
      'stored',
      'stored',
      'stored',
    ]);
    assert.equal((await readAll(store, 1)).length, messageCount - 4);
  });

  test('the units of a transaction over databases: those that begin it are refused, those that end it are taken', async (t) => {
    const prepared = await setup(t, { lowWaterBytes: 0 });
    if (prepared === undefined) return;
    const { store, tmpfs } = prepared;
    const body = Buffer.alloc(1024, 'h');
    const held = (position: number): Operation => ({
      kind: 'put',
      place: HELD_PLACE,
      position,
      message: { headers: '{}', body },
    });
    const record = (id: string): Operation => ({ kind: 'setState', key: `transaction/${id}`, value: 'x'.repeat(600) });
    const recordGone = (id: string): Operation => ({ kind: 'deleteState', key: `transaction/${id}` });
    const input = (position: number): Operation => ({ kind: 'remove', place: 1, position });
    const released = (position: number): Operation => ({
      kind: 'move',
      place: HELD_PLACE,
      position,
      toPlace: 1,
      toPosition: 50_000 + position,
    });
    const dropped = (position: number): Operation => ({ kind: 'remove', place: HELD_PLACE, position });
    await store.commit({
      operations: [
        { kind: 'createPlace', place: HELD_PLACE, placeKind: 'held', queue: '' },
        ...['applied', 'discarded', 'fenced', 'released', 'heuristic'].map(record),
        ...[1, 2, 3, 4, 5, 6].map(held),
      ],
    });
    fillDisk(tmpfs.directory);
    await sendUntilRefused(store);
    const state: Operation = { kind: 'setState', key: 'subscription/x', value: 'new' };
    const abortRow: Operation = { kind: 'setState', key: 'abort-row/fenced', value: 'x'.repeat(200) };
    const units: Readonly<Record<string, readonly Operation[]>> = {
      'STAGE without sends': [record('a')],
      'STAGE with a send': [held(7), record('b')],
      'DECIDE with two sends held': [input(0), held(8), held(9), record('c')],
      'DECIDE with a send put': [input(0), put(60_000), record('d')],
      'APPLY with state': [input(1), state, released(1), released(2), recordGone('applied')],
      DISCARD: [dropped(3), recordGone('discarded')],
      'DISCARD behind a fence': [dropped(4), recordGone('fenced'), abortRow],
      RELEASE: [released(5), released(6), recordGone('released')],
      'a record written again': [recordGone('heuristic'), record('heuristic')],
    };
    const codes: Record<string, string> = {};
    for (const [name, operations] of Object.entries(units)) codes[name] = await codeOf(store.commit({ operations }));
    assert.deepEqual(codes, {
      'STAGE without sends': 'STORE_FULL',
      'STAGE with a send': 'STORE_FULL',
      'DECIDE with two sends held': 'STORE_FULL',
      'DECIDE with a send put': 'STORE_FULL',
      'APPLY with state': 'stored',
      DISCARD: 'stored',
      'DISCARD behind a fence': 'stored',
      RELEASE: 'stored',
      'a record written again': 'stored',
    });
    assert.deepEqual(await readAll(store, HELD_PLACE), []);
    const left = (await store.readState({ prefix: 'transaction/', countMax: 10 })).entries.map(({ key }) => key);
    assert.deepEqual(left, ['transaction/heuristic']);
  });

  test('fault 12: a log that cannot be copied for want of space keeps its units, and is copied later', async (t) => {
    const prepared = await setup(t);
    if (prepared === undefined) return;
    const { store, tmpfs } = prepared;
    // Sends and removals alternate while somebody else takes every block and gives it back.
    const expected = new Set(Array(MESSAGE_COUNT).keys());
    for (let round = 0; round < 6; round++) {
      if (round % 2 === 0) fillDisk(tmpfs.directory);
      else rmSync(join(tmpfs.directory, 'somebody-else'), { force: true });
      const steps = Array.from({ length: 200 }, async (_, index) => {
        const removed = round * 200 + index;
        const added = 100_000 + removed;
        if (
          (await codeOf(store.commit({ operations: [{ kind: 'remove', place: 1, position: removed }] }))) === 'stored'
        ) {
          expected.delete(removed);
        }
        if ((await codeOf(send(store, added))) === 'stored') expected.add(added);
      });
      await Promise.all(steps);
    }
    assert.deepEqual(new Set((await readAll(store, 1)).map(({ position }) => position)), expected);
    rmSync(join(tmpfs.directory, 'somebody-else'), { force: true });
    await untilReady(store);
    await store.close();
    const again = await openStore({ directory: join(tmpfs.directory, 'store'), io: nodeIo() });
    t.after(() => again.close());
    assert.equal(again.opened.places[0]?.messageCount, expected.size);
  });

  test('a store on a full disk opens, drains and goes on', async (t) => {
    const prepared = await setup(t);
    if (prepared === undefined) return;
    const { store, tmpfs } = prepared;
    await store.close();
    fillDisk(tmpfs.directory);
    const again = await openStore({ directory: join(tmpfs.directory, 'store'), io: nodeIo() });
    t.after(() => again.close());
    assert.equal(again.condition.state, 'full');
    assert.equal((await drain(again)).length, MESSAGE_COUNT);
    await untilReady(again);
    assert.equal(await codeOf(send(again, 1_000_000)), 'stored');
  });

  test('a queue manager on a full disk opens, and its messages can be taken', async (t) => {
    const prepared = await setup(t);
    if (prepared === undefined) return;
    await prepared.store.close();
    const { directory } = prepared.tmpfs;
    await (await QueueManager.open({ directory: join(directory, 'store'), machine: 'full' })).close();
    fillDisk(directory);
    await using manager = await QueueManager.open({ directory: join(directory, 'store') });
    assert.equal(manager.storeCondition.state, 'full');
    const receiver = await manager.openReceiver('orders');
    assert.equal(await receiver.purge(), MESSAGE_COUNT);
    receiver.close();
  });
});
