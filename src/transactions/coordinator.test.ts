import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoordinatorStory } from '../../test/support/coordinator-story.ts';
import { branchOf, setupDatabases, witnessOf } from '../../test/support/databases-setup.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';
import { OutcomeUnknown } from '../store/errors.ts';
import type { Unit } from '../store/store.ts';

function isOfTransaction(unit: Unit): boolean {
  return unit.operations.some((operation) => operation.kind === 'setState' && operation.key.startsWith('transaction/'));
}

describe('the coordinator', () => {
  test('has no epoch, no timer and asks nobody anything before the first use', async () => {
    const orders = new FakeDatabase('orders');
    await using story = CoordinatorStory.off([orders]);
    await story.open({ uses: false });
    await story.machine.advance(300_000);
    assert.deepEqual(await story.state('coordinator'), []);
    assert.deepEqual(orders.log, []);
    await story.useAll();
    assert.deepEqual(await story.state('coordinator'), ['coordinator']);
  });

  test('raises its epoch at each start, and the witness of each database with it, before the first branch', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    assert.equal(witnessOf(orders).epoch, 1);
    await story.crash();
    assert.equal(witnessOf(orders).epoch, 2);
    assert.ok(!orders.log.includes('begin'));
  });

  test('while nothing is to be settled it looks at a database once a minute', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    await story.machine.advance(10);
    orders.log.length = 0;
    await story.machine.advance(600_000);
    assert.equal(orders.log.filter((request) => request === 'scan').length, 10);
    story.use.release();
    await story.machine.advance(10);
    orders.log.length = 0;
    await story.machine.advance(600_000);
    assert.deepEqual(orders.log, [], 'nobody uses it any more');
    assert.ok((story.resources[0]?.closedCount ?? 0) > 0);
  });

  test('without any database commits one local unit', async () => {
    await using story = await CoordinatorStory.begin([]);
    await story.put('m1');
    const { done, transaction } = await story.handle();
    assert.equal(await done, undefined);
    assert.equal(transaction.outcome, 'committed');
    assert.deepEqual(await story.waiting('out'), ['m1']);
  });

  test('a database that is not used by the handler takes no part', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    const transaction = story.begin();
    await transaction.commit();
    assert.ok(!orders.log.includes('begin'));
  });

  test('uses at the same time share one branch, and get the same client', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    const transaction = story.begin();
    const [one, other] = await Promise.all([story.enlist(transaction, 0), story.enlist(transaction, 0)]);
    assert.equal(one, other);
    assert.equal(one, await story.enlist(transaction, 0));
    assert.equal(orders.log.filter((request) => request === 'begin').length, 1);
    await transaction.rollback();
    assert.equal(orders.sessions.size, 0);
  });

  test('after its end a transaction takes no part in anything any more', async () => {
    const { story } = await setupDatabases();
    await using _ = story;
    const transaction = story.begin();
    await transaction.rollback();
    await assert.rejects(story.enlist(transaction, 0), { code: 'TRANSACTION_ENDED' });
    await assert.rejects(transaction.commit(), { code: 'TRANSACTION_ENDED' });
    await transaction.rollback();
    assert.equal(transaction.outcome, 'rolledBack');
  });

  test('a branch whose beginning nobody awaited rolls the transaction back', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    const transaction = story.begin();
    const enlisting = story.enlist(transaction, 0).catch((error: unknown) => error as { readonly code: string });
    await assert.rejects(transaction.commit(), { code: 'STATEMENT_STILL_RUNNING' });
    assert.equal(((await enlisting) as { readonly code: string }).code, 'TRANSACTION_ENDED');
    assert.equal(orders.sessions.size, 0);
  });

  test('a rollback under a branch that is just beginning leaves no session behind', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    const transaction = story.begin();
    const enlisting = assert.rejects(story.enlist(transaction, 0), { code: 'TRANSACTION_ENDED' });
    await transaction.rollback();
    await enlisting;
    assert.equal(orders.sessions.size, 0);
  });

  test('a resource that the endpoint does not list is refused', async () => {
    const { story } = await setupDatabases();
    await using _ = story;
    const transaction = story.begin();
    const other = new FakeDatabase('other').connect(story.life);
    await assert.rejects(transaction.enlist(other), { code: 'RESOURCE_NOT_LISTED' });
    await transaction.rollback();
  });

  test('a database that is down at the start is tried by the next use, and in the background', async () => {
    const orders = new FakeDatabase('orders');
    orders.isDown = true;
    await using story = await CoordinatorStory.begin([orders]);
    const transaction = story.begin();
    await assert.rejects(story.enlist(transaction, 0), { code: 'RESOURCE_UNAVAILABLE' });
    assert.equal((await story.resourceViews())[0]?.state, 'unavailable');
    orders.isDown = false;
    await (await story.enlist(transaction, 0)).insert('row');
    await transaction.commit();
    assert.deepEqual(orders.rows, ['row']);
    await story.crash();
    orders.isDown = false;
    await story.machine.advance(10_000);
    assert.equal((await story.resourceViews())[0]?.state, 'ready');
  });

  test('a decision whose unit has no answer is told to nobody, and its branches are left alone', async () => {
    let isSilent = false;
    const databases = [new FakeDatabase('orders'), new FakeDatabase('stock')];
    await using story = await CoordinatorStory.begin(databases, {
      watcher: {
        opened: async () => undefined,
        commit: (unit, commit) =>
          isSilent && isOfTransaction(unit) ? Promise.reject(new OutcomeUnknown('the disk is gone')) : commit(),
      },
    });
    await story.put('m1');
    isSilent = true;
    const { done, transaction } = await story.handle();
    assert.equal((await done)?.code, 'OUTCOME_UNKNOWN');
    assert.equal(transaction.outcome, 'unknown');
    await story.machine.advance(300_000);
    for (const { name, prepared, log } of databases) {
      assert.equal(prepared.size, 1, name);
      assert.ok(!log.includes('finish') && !log.includes('recoveryFinish'), name);
    }
    assert.equal((await story.view())[0]?.state, 'inDoubt');
  });

  test('a stage whose unit has no answer is not committed, and frees its locks', async () => {
    let isSilent = false;
    const orders = new FakeDatabase('orders');
    await using story = await CoordinatorStory.begin([orders], {
      watcher: {
        opened: async () => undefined,
        commit: (unit, commit) =>
          isSilent && isOfTransaction(unit) ? Promise.reject(new OutcomeUnknown('the disk is gone')) : commit(),
      },
    });
    await story.put('m1');
    isSilent = true;
    const { done } = await story.handle();
    assert.equal((await done)?.code, 'OUTCOME_UNKNOWN');
    assert.equal(orders.sessions.size, 0);
    assert.ok(!orders.log.includes('commitWithMarker'));
    assert.equal(await story.receive(), undefined, 'what is on the disk decides');
  });

  test('a branch that is prepared for more than a minute is told of, once in ten minutes', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    orders.plant(branchOf(orders, { generation: 'h'.repeat(8) }));
    await story.machine.advance(590_000);
    assert.equal(story.warnings.filter((text) => text.includes('has been prepared')).length, 1);
    await story.machine.advance(300_000);
    assert.equal(story.warnings.filter((text) => text.includes('has been prepared')).length, 2);
  });

  test('a branch of this epoch that nobody knows is rolled back when two scans 20 s apart have seen it', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    await story.machine.advance(10);
    orders.plant(branchOf(orders, {}));
    await story.machine.advance(60_000);
    assert.equal(orders.prepared.size, 1, 'seen for the first time');
    assert.equal((await story.view())[0]?.state, 'aborting');
    await story.machine.advance(10_000);
    assert.equal(orders.prepared.size, 1, 'not yet for 20 s');
    await story.machine.advance(10_000);
    assert.equal(orders.prepared.size, 0);
  });

  test('what stops leaves no timer behind, and nothing that it began is lost', async () => {
    const { orders, story } = await setupDatabases();
    await story.put('m1');
    await (await story.handle()).done;
    await story.manager.close();
    assert.deepEqual([...orders.markers], [], 'marker rows are deleted before it ends');
    assert.equal(story.machine.io.timers.armedCount, 0);
  });

  test('a stop waits two seconds for a database that does not answer, and the next start goes on there', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    await story.put('m1');
    await (await story.handle()).done;
    orders.isSilentTo = () => true;
    let isClosed = false;
    const closing = story.manager.close().then(() => {
      isClosed = true;
    });
    await story.machine.advance(1999);
    assert.equal(isClosed, false);
    await story.machine.advance(1);
    await closing;
    assert.equal(story.resources[0]?.cutCount, 1);
    assert.ok(story.warnings.some((text) => text.startsWith("The stop does not wait longer for 'orders'.")));
    assert.equal(story.machine.io.timers.armedCount, 0);
    orders.isSilentTo = () => false;
    await story.open();
    await story.machine.advance(10);
    assert.deepEqual([...orders.markers], []);
  });

  test('a database that was away is told of once when it can be used again', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    orders.isDown = true;
    await story.machine.advance(70_000);
    orders.isDown = false;
    await story.machine.advance(130_000);
    assert.deepEqual(
      story.infos.filter((text) => text.includes('can be used again')),
      ["Database 'orders' can be used again."],
    );
  });
});
