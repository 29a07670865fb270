import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  branchView,
  FakeTransactions,
  resourceView,
  transactionId,
  transactionView,
} from '../../test/support/fake-transactions.ts';
import { nodeIo } from '../io/node-io.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import type { OperatorWish } from '../transactions/transaction-view.ts';
import { LocalOperations } from './local-operations.ts';

const WISH: OperatorWish = { action: 'forget', id: transactionId(1), reason: 'ticket 4711', by: 'anna' };

describe('transactions, as operators ask for them', () => {
  test('come in pages, filtered by state, database and endpoint', async () => {
    await using directory = await Directory.make();
    const { fake, running } = directory;
    fake.resources = [resourceView('orders')];
    fake.transactions = [1, 2, 3].map((sequence) => transactionView(sequence, { branches: [branchView('orders')] }));
    const first = await running.listTransactions({});
    assert.deepEqual([first.transactions.length, first.resources.length, first.isLast], [2, 1, false]);
    const rest = await running.listTransactions({ afterId: first.transactions.at(-1)?.id });
    assert.deepEqual([rest.transactions.map(({ id }) => id), rest.isLast], [[transactionId(3)], true]);
    for (const none of [{ state: 'fenced' }, { resource: 'stock' }, { endpoint: 'billing' }] as const) {
      assert.deepEqual((await running.listTransactions(none)).transactions, [], JSON.stringify(none));
    }
  });

  test('one that is not there is an error, and so is the beginning of several', async () => {
    await using directory = await Directory.make();
    const { fake, running } = directory;
    fake.transactions = [transactionView(1), transactionView(2)];
    assert.equal((await running.showTransaction({ id: transactionId(2) })).id, transactionId(2));
    for (const id of [transactionId(3), 'P1.']) {
      await assert.rejects(running.showTransaction({ id }), (error) => isPosthornError(error, 'TRANSACTION_NOT_FOUND'));
    }
  });

  test('a wish whose answer was lost may be asked for again, and is carried out once', async () => {
    await using directory = await Directory.make();
    const { fake, running } = directory;
    fake.transactions = [transactionView(1)];
    assert.deepEqual(await running.actOnTransaction(WISH), { transaction: undefined, wasDoneBefore: false });
    assert.deepEqual(await running.actOnTransaction(WISH), { transaction: undefined, wasDoneBefore: true });
    assert.equal(fake.wishes.length, 1);
    for (const other of [{ by: 'bert' }, { reason: 'another' }, { action: 'abort' }] as const) {
      await assert.rejects(running.actOnTransaction({ ...WISH, ...other }), (error) =>
        isPosthornError(error, 'TRANSACTION_NOT_FOUND'),
      );
    }
  });

  test('what an equal wish did long ago says nothing about this one', async () => {
    await using directory = await Directory.make();
    const { fake, running } = directory;
    fake.transactions = [transactionView(1)];
    fake.wallNowMs = () => Date.now() - 61_000;
    await running.actOnTransaction(WISH);
    await assert.rejects(running.actOnTransaction(WISH), (error) => isPosthornError(error, 'TRANSACTION_NOT_FOUND'));
  });

  test('arguments of the wrong kind are refused before anything is done', async () => {
    await using directory = await Directory.make();
    const { fake, running } = directory;
    fake.transactions = [transactionView(1)];
    const wrong: readonly object[] = [
      { ...WISH, action: 'explode' },
      { ...WISH, id: '' },
      { ...WISH, id: 7 },
      { ...WISH, reason: undefined },
      { ...WISH, by: '' },
    ];
    for (const wish of wrong) {
      await assert.rejects(
        running.actOnTransaction(wish as OperatorWish),
        (error) => isPosthornError(error, 'INVALID_REQUEST'),
        JSON.stringify(wish),
      );
    }
    for (const request of [{ state: 'over' }, { afterId: 1 }] as object[]) {
      await assert.rejects(running.listTransactions(request), (error) => isPosthornError(error, 'INVALID_REQUEST'));
    }
    assert.deepEqual(fake.wishes, []);
  });

  test('what a person wrote too long is wrong usage, with the length that it may have', async () => {
    await using directory = await Directory.make();
    const { fake, running } = directory;
    fake.transactions = [transactionView(1)];
    const tooLong = (name: string, lengthMax: number): object => ({
      code: 'INVALID_OPTION',
      message: `Option '${name}' has ${lengthMax + 1} characters. Give at most ${lengthMax}.`,
    });
    await assert.rejects(running.actOnTransaction({ ...WISH, reason: 'x'.repeat(501) }), tooLong('reason', 500));
    await assert.rejects(running.listTransactions({ resource: 'x'.repeat(513) }), tooLong('resource', 512));
    assert.deepEqual(fake.wishes, []);
  });

  test('while nobody runs, databases are stopped and only to forget is possible; what is fenced stays fenced', async () => {
    await using directory = await Directory.make();
    const { fake, stopped } = directory;
    fake.resources = [resourceView('stock', { state: 'absent' }), resourceView('orders', { state: 'fenced' })];
    fake.transactions = [transactionView(1, { state: 'heuristic' })];
    const { resources } = await stopped.listTransactions({});
    assert.deepEqual(
      resources.map(({ name, state }) => [name, state]),
      [
        ['stock', 'stopped'],
        ['orders', 'fenced'],
      ],
    );
    for (const action of ['commit', 'abort', 'retry'] as const) {
      await assert.rejects(
        stopped.actOnTransaction({ ...WISH, action }),
        (error) => isPosthornError(error, 'TRANSACTION_ACTION_REFUSED') && error.mend.includes("endpoint 'sales'"),
      );
    }
    await stopped.actOnTransaction(WISH);
    assert.deepEqual(
      fake.wishes.map(({ action }) => action),
      ['forget'],
    );
  });
});

describe('the health of a queue manager', () => {
  test('tells of its Node.js, the disk of its directory, and a clock that runs as it did', async () => {
    await using directory = await Directory.make();
    const health = await directory.running.describeHealth();
    assert.equal(health.nodeVersion, process.versions.node);
    assert.ok(health.freeBytes > 0 && health.freeBytes <= health.diskBytes, JSON.stringify(health));
    assert.ok(Math.abs(health.clockAheadMs) < 1000, `${health.clockAheadMs}`);
  });

  test('shows by how much the wall clock was set', async () => {
    await using directory = await Directory.make();
    const io = nodeIo();
    const clock = { ...io.clock, wallNowMs: () => io.clock.wallNowMs() + 86_400_000 };
    const { clockAheadMs } = await new LocalOperations(directory.manager, { ...io, clock }).describeHealth();
    assert.ok(Math.abs(clockAheadMs - 86_400_000) < 1000, `${clockAheadMs}`);
  });
});

class Directory implements AsyncDisposable {
  readonly fake: FakeTransactions;
  readonly manager: QueueManager;
  readonly running: LocalOperations;
  readonly stopped: LocalOperations;
  readonly #path: string;

  private constructor(path: string, manager: QueueManager, fake: FakeTransactions) {
    this.#path = path;
    this.manager = manager;
    this.fake = fake;
    this.running = new LocalOperations(manager, nodeIo());
    this.stopped = new LocalOperations(manager, nodeIo(), undefined, { isStopped: true });
  }

  static async make(): Promise<Directory> {
    const path = mkdtempSync(join(tmpdir(), 'posthorn-transactions-'));
    const fake = new FakeTransactions(() => manager);
    const manager = await QueueManager.open({ directory: path, machine: 'alpha', makeCoordinator: () => fake });
    return new Directory(path, manager, fake);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    rmSync(this.#path, { recursive: true, force: true });
  }
}
