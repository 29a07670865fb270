import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoordinatorStory } from '../../test/support/coordinator-story.ts';
import { assertTellsDatabasesDone } from '../../test/support/databases-done.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';

async function setup() {
  const orders = new FakeDatabase('orders');
  const story = await CoordinatorStory.begin([orders]);
  return { orders, story };
}

/** Nothing of a transaction is left anywhere. */
async function assertSettled(story: CoordinatorStory) {
  await story.machine.advance(60_000);
  assert.deepEqual(await story.state('transaction/'), []);
  assert.deepEqual(await story.state('abort-row/'), []);
  for (const { prepared, markers } of story.databases) {
    assert.deepEqual([...prepared], []);
    assert.deepEqual([...markers], []);
  }
}

describe('a commit by marker row', () => {
  test('brings the row, the message and what was sent to one outcome, and leaves no marker behind', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    const { done, transaction } = await story.handle();
    assert.equal(await done, undefined);
    assert.equal(await transaction.whenSettled, 'committed');
    assert.deepEqual(orders.rows, ['m1']);
    assert.deepEqual(await story.waiting('in'), []);
    assert.deepEqual(await story.waiting('out'), ['m1']);
    await assertSettled(story);
    assert.ok(!orders.log.includes('prepare'));
  });

  test('tells that its database is done when it has committed, before APPLY', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await assertTellsDatabasesDone(story, () => orders.fail('commitWithMarker', 'refused'));
  });

  test('asks the database only after what is to be done is staged', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    let staged: Promise<string[]> | undefined;
    orders.onRequest = (name) => {
      if (name === 'commitWithMarker') staged = story.state('transaction/');
    };
    const { done, transaction } = await story.handle();
    await done;
    assert.deepEqual(await staged, [`transaction/${transaction.id}`]);
  });

  test('a proven no takes everything back and throws what the server said', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('commitWithMarker', 'refused');
    const { done, transaction, delivery } = await story.handle();
    assert.match((await done)?.message ?? '', /40001/);
    assert.equal(transaction.outcome, 'rolledBack');
    assert.deepEqual(orders.rows, []);
    delivery.release();
    assert.deepEqual(await story.waiting('in'), ['m1']);
    assert.deepEqual(await story.waiting('out'), []);
    assert.equal(await (await story.handle()).done, undefined);
    assert.deepEqual(orders.rows, ['m1']);
    await assertSettled(story);
  });

  test('an answer that was lost after the commit is found out by the fence, and commit resolves', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('commitWithMarker', 'lostAfter');
    const { done } = await story.handle();
    assert.equal(await done, undefined);
    assert.deepEqual(orders.rows, ['m1']);
    assert.deepEqual(await story.waiting('out'), ['m1']);
    await assertSettled(story);
  });

  test('an answer that was lost before the commit is fenced, and commit throws that first error', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('commitWithMarker', 'lostBefore');
    const { done, transaction } = await story.handle();
    assert.equal((await done)?.code, 'REQUEST_TIMED_OUT');
    assert.equal(await transaction.whenSettled, 'rolledBack');
    assert.deepEqual(orders.rows, []);
    assert.deepEqual(await story.waiting('out'), []);
    await assertSettled(story);
  });

  test('a commit that arrives after the fence meets the abort row, which stays until its session is gone', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('commitWithMarker', 'heldBack');
    orders.fail('endSession', 'lostBefore');
    const { done, transaction } = await story.handle();
    assert.equal((await done)?.code, 'REQUEST_TIMED_OUT');
    await story.machine.settle();
    assert.deepEqual([...orders.markers], [[transaction.id, 'aborted']]);
    assert.deepEqual(await story.state('abort-row/'), [`abort-row/${transaction.id}`]);
    orders.letGo();
    assert.deepEqual(orders.rows, []);
    await assertSettled(story);
  });

  test('while the database does not answer, commit throws OUTCOME_UNKNOWN after five seconds, and the message stays locked', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('commitWithMarker', 'lostAfter');
    orders.onRequest = (name) => {
      if (name === 'fence') orders.isDown = true;
    };
    const { done, transaction } = await story.handle();
    assert.equal((await story.within(6_000, done))?.code, 'OUTCOME_UNKNOWN');
    assert.equal(transaction.outcome, 'unknown');
    assert.equal(await story.receive(), undefined);
    const [view] = await story.view();
    assert.equal(view?.state, 'inDoubt');
    assert.deepEqual(view?.heldSends, [{ queue: 'out', messages: 1 }]);
    orders.onRequest = () => undefined;
    orders.isDown = false;
    assert.equal(await story.within(11_000, transaction.whenSettled), 'committed');
    assert.equal(transaction.outcome, 'committed');
    assert.deepEqual(await story.waiting('in'), []);
    assert.deepEqual(await story.waiting('out'), ['m1']);
    await assertSettled(story);
  });

  test('a process that dies while staged leaves its message locked until the fence has settled it', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('commitWithMarker', 'lostAfter');
    orders.onRequest = (name) => {
      if (name === 'fence') story.kill();
    };
    await story.handle();
    await story.machine.settle();
    orders.onRequest = () => undefined;
    orders.isDown = true;
    await story.open();
    assert.equal(await story.receive(), undefined);
    assert.deepEqual(await story.waiting('out'), []);
    orders.isDown = false;
    await story.machine.advance(11_000);
    assert.deepEqual(await story.waiting('in'), []);
    assert.deepEqual(await story.waiting('out'), ['m1']);
    assert.deepEqual(orders.rows, ['m1']);
    await assertSettled(story);
  });

  test('a late commit of a dead process never doubles the work', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('commitWithMarker', 'heldBack');
    orders.onRequest = (name) => {
      if (name === 'fence') story.kill();
    };
    await story.handle();
    await story.machine.settle();
    orders.onRequest = () => undefined;
    orders.fail('endSession', 'lostBefore');
    await story.open();
    await story.machine.advance(10);
    assert.equal(await (await story.handle()).done, undefined);
    orders.letGo();
    assert.deepEqual(orders.rows, ['m1']);
    await assertSettled(story);
    assert.deepEqual(await story.waiting('out'), ['m1']);
  });

  test('marker rows that a process left are deleted by the next one', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    const { done, transaction } = await story.handle();
    await done;
    assert.deepEqual([...orders.markers.keys()], [transaction.id]);
    await story.crash();
    await story.machine.advance(10);
    assert.deepEqual([...orders.markers.keys()], []);
  });

  test('asks for five seconds at most what became of a commit, also when no answer comes to its question', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1', 'm2');
    for (const _message of ['m1', 'm2']) orders.fail('commitWithMarker', 'lostAfter');
    orders.isSilentTo = (request) => request === 'fence';
    const first = await story.handle();
    const second = await story.handle();
    await story.machine.advance(5000);
    assert.equal((await first.done)?.code, 'OUTCOME_UNKNOWN');
    assert.equal((await second.done)?.code, 'OUTCOME_UNKNOWN');
    orders.isSilentTo = () => false;
    await story.crash();
    await story.machine.advance(11_000);
    assert.deepEqual(await story.waiting('out'), ['m1', 'm2']);
    assert.deepEqual(orders.rows, ['m1', 'm2']);
    await assertSettled(story);
  });
});
