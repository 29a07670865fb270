import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoordinatorStory, message } from '../../test/support/coordinator-story.ts';
import { assertTellsDatabasesDone } from '../../test/support/databases-done.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';
import type { RequestName } from '../../test/support/fake-server.ts';
import { StoreFull } from '../store/errors.ts';
import { formatBranchQualifier, formatTransactionId } from './transaction-id.ts';

async function setup() {
  const orders = new FakeDatabase('orders');
  const stock = new FakeDatabase('stock', 'mysql');
  const story = await CoordinatorStory.begin([orders, stock]);
  return { orders, stock, story };
}

/** Everything agrees on these messages, and nothing of a transaction is left. */
async function assertAgreed(story: CoordinatorStory, texts: readonly string[]) {
  await story.machine.advance(90_000);
  for (const { name, rows, prepared } of story.databases) {
    assert.deepEqual([...rows].sort(), texts, `rows in ${name}`);
    assert.deepEqual([...prepared.keys()], [], `prepared in ${name}`);
  }
  assert.deepEqual((await story.waiting('out')).sort(), texts);
  assert.deepEqual(await story.state('transaction/'), []);
}

/** The process dies at the count-th request of that name, before it is sent. */
function killAt(story: CoordinatorStory, request: RequestName, count: number) {
  let left = count;
  for (const database of story.databases) {
    database.onRequest = (name) => {
      if (name === request && --left === 0) story.kill();
    };
  }
}

async function dieIn(story: CoordinatorStory, request: RequestName, count = 1) {
  await story.put('m1');
  killAt(story, request, count);
  await story.handle();
  await story.machine.settle();
  assert.ok(story.life.isDead, 'the process came to that request');
  for (const database of story.databases) database.onRequest = () => undefined;
}

describe('a commit in two phases', () => {
  test('brings several databases, the message and what was sent to one outcome', async () => {
    const { story } = await setup();
    await using _ = story;
    await story.put('m1');
    const { done } = await story.handle();
    assert.equal(await done, undefined);
    assert.deepEqual(await story.waiting('in'), []);
    await assertAgreed(story, ['m1']);
  });

  test('tells that its databases are done when all have committed, before RELEASE', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await assertTellsDatabasesDone(story, () => orders.fail('prepare', 'refused'));
  });

  test('a database that was only read commits before the decision, and is not prepared', async () => {
    const { orders, stock, story } = await setup();
    await using _ = story;
    await story.put('m1');
    const { done } = await story.handle({ reads: [1] });
    assert.equal(await done, undefined);
    assert.ok(stock.log.includes('commitReadOnly'));
    assert.ok(orders.log.includes('commitWithMarker'), 'one that wrote is left, so the marker row is enough');
    assert.deepEqual(orders.rows, ['m1']);
  });

  test('a reader that the server refuses takes everything back', async () => {
    const { stock, orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    stock.fail('commitReadOnly', 'refused');
    const { done, transaction } = await story.handle({ reads: [1] });
    assert.match((await done)?.message ?? '', /40001/);
    assert.equal(transaction.outcome, 'rolledBack');
    assert.deepEqual(orders.rows, []);
    assert.equal(orders.sessions.size + stock.sessions.size, 0);
  });

  test('a branch that votes no takes everything back, and is not rolled back as if it were prepared', async () => {
    const { orders, stock, story } = await setup();
    await using _ = story;
    await story.put('m1');
    stock.fail('prepare', 'refused');
    const { done, transaction } = await story.handle();
    assert.match((await done)?.message ?? '', /40001/);
    assert.equal(transaction.outcome, 'rolledBack');
    assert.ok(orders.log.includes('finish'));
    assert.ok(!stock.log.includes('finish'));
    await assertAgreed(story, []);
  });

  test('sends of `atDecision` can be received while a database has not been told yet', async () => {
    const { stock, story } = await setup();
    await using _ = story;
    await story.put('m1');
    stock.fail('finish', 'lostBefore');
    stock.onRequest = (name) => {
      if (name === 'finish') stock.isDown = true;
    };
    const { done } = await story.handle({ sendsVisible: 'atDecision' });
    assert.equal(await done, undefined);
    assert.deepEqual(await story.waiting('out'), ['m1']);
    stock.isDown = false;
    stock.onRequest = () => undefined;
    await assertAgreed(story, ['m1']);
  });

  test('a decision that the store has no room for takes everything back, and throws what the store said', async () => {
    const orders = new FakeDatabase('orders');
    const stock = new FakeDatabase('stock');
    let isRefusing = false;
    const story = await CoordinatorStory.begin([orders, stock], {
      watcher: {
        opened: async () => undefined,
        commit: (unit, commit) => {
          const decides = unit.operations.some(
            ({ kind, ...rest }) => kind === 'setState' && 'key' in rest && String(rest.key).startsWith('transaction/'),
          );
          return isRefusing && decides ? Promise.reject(new StoreFull(0)) : commit();
        },
      },
    });
    await using _ = story;
    await story.put('m1');
    isRefusing = true;
    const { done, delivery } = await story.handle();
    assert.equal((await done)?.code, 'STORE_FULL');
    isRefusing = false;
    delivery.release();
    assert.deepEqual(await story.waiting('in'), ['m1']);
    await assertAgreed(story, []);
  });

  test('fault 62: a process that dies before any PREPARE leaves nothing, and its message is handled again', async () => {
    const { story } = await setup();
    await dieIn(story, 'prepare');
    await story.open();
    await using _ = story;
    assert.equal(await (await story.handle()).done, undefined);
    await assertAgreed(story, ['m1']);
  });

  test('fault 63: a process that dies between two PREPAREs leaves a branch that recovery rolls back', async () => {
    const { orders, story } = await setup();
    await dieIn(story, 'prepare', 2);
    orders.plant([...orders.prepared.keys()][0] ?? planted(story, 'orders', 1), ['m1']);
    await story.open();
    await using _ = story;
    await story.machine.advance(10);
    assert.deepEqual([...orders.prepared.keys()], []);
    assert.equal(await (await story.handle()).done, undefined);
    await assertAgreed(story, ['m1']);
  });

  test('fault 64: a process that dies after all PREPAREs and before the decision leaves branches that are rolled back', async () => {
    let shallDie = false;
    const orders = new FakeDatabase('orders');
    const stock = new FakeDatabase('stock');
    const story: CoordinatorStory = await CoordinatorStory.begin([orders, stock], {
      watcher: {
        opened: async () => undefined,
        commit: (unit, commit) => {
          if (shallDie && unit.operations.some(({ kind }) => kind === 'setState')) story.kill();
          return commit();
        },
      },
    });
    await story.put('m1');
    shallDie = true;
    await story.handle();
    await story.machine.settle();
    assert.equal(orders.prepared.size + stock.prepared.size, 2);
    shallDie = false;
    await story.open();
    await using _ = story;
    await story.machine.advance(10);
    assert.equal(orders.prepared.size + stock.prepared.size, 0);
    assert.equal(await (await story.handle()).done, undefined);
    await assertAgreed(story, ['m1']);
  });

  test('fault 65: a decision that was not wholly written is none: its branches are rolled back', async () => {
    // The unit is handed over and the process dies before its sync; the disk keeps it wholly or not at all, as chance has it.
    for (let seed = 1; seed <= 8; seed++) {
      let shallDie = false;
      const databases = [new FakeDatabase('orders'), new FakeDatabase('stock')];
      const story: CoordinatorStory = await CoordinatorStory.begin(databases, {
        seed,
        watcher: {
          opened: async () => undefined,
          commit: (unit, commit) => {
            const answer = commit();
            if (shallDie && unit.operations.some(({ kind }) => kind === 'setState')) story.kill();
            return answer;
          },
        },
      });
      await story.put('m1');
      shallDie = true;
      await story.handle();
      await story.machine.settle();
      shallDie = false;
      await story.open();
      await using _ = story;
      await story.machine.advance(20_000);
      if ((await story.waiting('in')).length > 0) assert.equal(await (await story.handle()).done, undefined);
      await assertAgreed(story, ['m1']);
    }
  });

  test('fault 66: a process that dies after the decision leaves branches that recovery commits, and sends that are seen once', async () => {
    const { story } = await setup();
    await dieIn(story, 'finish');
    await story.open();
    await using _ = story;
    assert.deepEqual(await story.waiting('in'), []);
    await assertAgreed(story, ['m1']);
  });

  test('fault 67: a process that dies between two COMMITs leaves the second to recovery', async () => {
    const { story } = await setup();
    await dieIn(story, 'finish', 2);
    await story.open();
    await using _ = story;
    await assertAgreed(story, ['m1']);
  });

  test('fault 68: a process that dies after all COMMITs leaves branches that nobody knows, proven committed and forgotten', async () => {
    const { orders, stock, story } = await setup();
    await story.put('m1');
    orders.fail('finish', 'lostAfter');
    stock.fail('finish', 'lostAfter');
    killAt(story, 'recoveryFinish', 1);
    await story.handle();
    await story.machine.advance(10);
    assert.ok(story.life.isDead);
    assert.deepEqual([orders.rows, stock.rows], [['m1'], ['m1']]);
    for (const database of story.databases) database.onRequest = () => undefined;
    await story.open();
    await using _ = story;
    await assertAgreed(story, ['m1']);
  });

  test('fault 69: recovery may die at each of its requests and is finished by the next', async () => {
    const requests: readonly RequestName[] = [
      'inspect',
      'createTables',
      'raise',
      'recoveryFinish',
      'scan',
      'readMarkers',
      'readWitness',
    ];
    for (const request of requests) {
      const { story } = await setup();
      await dieIn(story, 'finish', 2);
      killAt(story, request, 1);
      const opening = story.open();
      await story.machine.settle();
      await story.machine.advance(20_000);
      assert.ok(story.life.isDead, `recovery came to ${request}`);
      void opening;
      for (const database of story.databases) database.onRequest = () => undefined;
      await story.open();
      await using _ = story;
      await assertAgreed(story, ['m1']);
    }
  });

  test('fault 71: a PREPARE whose answer is lost counts as a no, and the branch that it left is rolled back', async () => {
    for (const fault of ['lostBefore', 'lostAfter'] as const) {
      const { orders, story } = await setup();
      await using _ = story;
      await story.put('m1');
      orders.fail('prepare', fault);
      const { done, transaction } = await story.handle();
      assert.equal((await done)?.code, 'REQUEST_TIMED_OUT');
      assert.equal(transaction.outcome, 'rolledBack');
      await assertAgreed(story, []);
    }
  });

  test('fault 71: a PREPARE that arrives late is rolled back, or its session is ended first', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    await story.put('m1');
    orders.fail('prepare', 'heldBack');
    orders.isDown = false;
    orders.fail('endSession', 'lostBefore');
    const { done } = await story.handle();
    assert.equal((await done)?.code, 'REQUEST_TIMED_OUT');
    await story.machine.advance(10);
    orders.letGo();
    assert.equal(orders.prepared.size, 1);
    await assertAgreed(story, []);
  });

  test('fault 72: a COMMIT whose answer is lost leaves it committing until recovery has proven it; commit resolves', async () => {
    for (const fault of ['lostBefore', 'lostAfter'] as const) {
      const { orders, stock, story } = await setup();
      await using _ = story;
      await story.put('m1');
      orders.fail('finish', fault);
      stock.fail('finish', fault);
      const { done, transaction } = await story.handle();
      assert.equal(await done, undefined);
      assert.equal(transaction.outcome, 'committed');
      const [view] = await story.view();
      assert.equal(view?.state, 'committing');
      await assertAgreed(story, ['m1']);
    }
  });

  test('fault 73: a database that is down for an hour at the commit holds up its own branch and sends, and nothing else', async () => {
    const { stock, story } = await setup();
    await using _ = story;
    await story.put('m1');
    stock.onRequest = (name) => {
      if (name === 'finish') stock.isDown = true;
    };
    const { done } = await story.handle();
    assert.equal(await done, undefined);
    stock.onRequest = () => undefined;
    assert.deepEqual(await story.waiting('in'), []);
    const work = story.manager.begin();
    await story.manager.send([message('out', 'other')], work);
    await work.commit();
    await story.machine.advance(3_600_000);
    assert.deepEqual(await story.waiting('out'), ['other']);
    const [view] = await story.view();
    assert.equal(view?.state, 'committing');
    assert.deepEqual(view?.heldSends, [{ queue: 'out', messages: 1 }]);
    assert.match(
      view?.sentence ?? '',
      /Commit was decided 60 min ago\. 'stock': connect ECONNREFUSED\. Tried \d{3} times; .*Locks are held there/,
    );
    stock.isDown = false;
    await story.machine.advance(11_000);
    assert.deepEqual(await story.waiting('out'), ['other', 'm1']);
    assert.deepEqual(stock.rows, ['m1']);
  });

  test('fault 78: prepared branches of others are listed as foreign and never touched', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    const other = formatTransactionId({
      queueManager: 'a'.repeat(26),
      generation: 'b'.repeat(8),
      epoch: 1,
      sequence: 1,
    });
    const texts = ['by hand', `${other}:${formatBranchQualifier('orders', 0)}`, `${planted(story, 'orders', 9)}x`];
    for (const text of texts) orders.plant(text);
    await story.machine.advance(300_000);
    assert.deepEqual([...orders.prepared.keys()], texts);
    const views = await story.view();
    assert.deepEqual(
      views.map(({ state }) => state),
      ['foreign', 'foreign', 'foreign'],
    );
    await assert.rejects(story.coordinator.act({ action: 'abort', id: 'by hand', reason: 'test', by: 'me' }), {
      code: 'TRANSACTION_ACTION_REFUSED',
    });
  });
});

/** A branch of ours of this opening that nobody knows. */
function planted(story: CoordinatorStory, resource: string, sequence: number): string {
  const witness = [...(story.databases[0]?.witnesses.values() ?? [])][0];
  assert.ok(witness !== undefined);
  return `${formatTransactionId({ ...witness, sequence })}:${formatBranchQualifier(resource, 0)}`;
}
