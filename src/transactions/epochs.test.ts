import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoordinatorStory } from '../../test/support/coordinator-story.ts';
import { setupDatabases, witnessOf } from '../../test/support/databases-setup.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';
import { StoreFull } from '../store/errors.ts';
import { EPOCH_MAX } from './transaction-id.ts';

async function commitSome(story: CoordinatorStory, count: number) {
  for (let done = 0; done < count; done++) {
    const transaction = story.begin();
    await (await story.enlist(transaction, 0)).insert(`row ${done}`);
    await transaction.commit();
  }
}

describe('the epoch', () => {
  test('rises while transactions run, so that a backup of 100 transactions ago is refused by the database', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    const atBackup = witnessOf(orders);
    await commitSome(story, 100);
    assert.ok(witnessOf(orders).epoch > atBackup.epoch + 1);
    const [restored] = story.resources;
    const wanted = { ...atBackup, epoch: atBackup.epoch + 1, opening: 'the restored store' };
    assert.equal((await restored?.recovery.witness.raise(wanted))?.kind, 'refused');
    assert.deepEqual(story.use.fenced, [], 'the store that went on is not fenced by itself');
    await story.machine.advance(120_000);
    assert.deepEqual(story.use.fenced, []);
    assert.equal(orders.rows.length, 100);
  });

  test('no branch begins in a database that missed it, until it has it', async () => {
    const orders = new FakeDatabase('orders');
    await using story = await CoordinatorStory.begin([orders], { transactionsOfAnEpoch: 2 });
    await commitSome(story, 1);
    orders.fail('raise', 'lostBefore');
    await commitSome(story, 1);
    await story.machine.settle();
    assert.equal(witnessOf(orders).epoch, 1);
    await commitSome(story, 1);
    assert.equal(witnessOf(orders).epoch, 2);
  });

  test('while it cannot be written down no more than twice as many transactions begin', async () => {
    const orders = new FakeDatabase('orders');
    let isFull = false;
    await using story = await CoordinatorStory.begin([orders], {
      transactionsOfAnEpoch: 2,
      watcher: {
        opened: async () => undefined,
        commit: (unit, commit) =>
          isFull && unit.operations.some((each) => 'key' in each && each.key === 'coordinator')
            ? Promise.reject(new StoreFull(0))
            : commit(),
      },
    });
    isFull = true;
    await assert.rejects(commitSome(story, 10), { code: 'STORE_FULL' });
    assert.equal(orders.rows.length, 4);
    isFull = false;
    await commitSome(story, 10);
    assert.equal(orders.rows.length, 14);
  });

  for (const [when, epoch] of [
    ['at a start', EPOCH_MAX],
    ['while it runs', EPOCH_MAX - 2],
  ] as const) {
    test(`whose numbers are used up ${when} is followed by a new generation, and no database is fenced`, async () => {
      const orders = new FakeDatabase('orders');
      await using story = CoordinatorStory.off([orders], { transactionsOfAnEpoch: 2 });
      await story.open({ uses: false });
      const work = story.manager.begin();
      story.manager.setState(work, 'coordinator', JSON.stringify({ generation: 'aaaaaaaa', epoch: epoch - 1 }));
      await work.commit();
      await story.useAll();
      await commitSome(story, 1);
      assert.deepEqual(witnessOf(orders).generation, 'aaaaaaaa');
      await story.restart();
      await commitSome(story, 10);
      assert.notEqual(witnessOf(orders).generation, 'aaaaaaaa');
      assert.ok(witnessOf(orders).epoch < 10);
      assert.deepEqual(story.use.fenced, []);
      await story.crash();
      await commitSome(story, 1);
      assert.equal(orders.rows.length, 12);
      assert.deepEqual(story.use.fenced, []);
    });
  }
});
