import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoordinatorStory } from '../../test/support/coordinator-story.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';
import { OutcomeUnknown } from '../store/errors.ts';
import type { Unit } from '../store/store.ts';
import type { Witness } from './resource-manager.ts';
import { formatBranchQualifier, formatTransactionId } from './transaction-id.ts';

async function setup(count = 1) {
  const databases = ['orders', 'stock', 'bills'].slice(0, count).map((name) => new FakeDatabase(name));
  const story = await CoordinatorStory.begin(databases);
  const [orders = new FakeDatabase('none'), stock = new FakeDatabase('none')] = databases;
  return { orders, stock, story };
}

function witnessOf(database: FakeDatabase): Witness {
  const [witness] = database.witnesses.values();
  assert.ok(witness !== undefined, `${database.name} has a witness`);
  return witness;
}

/** A branch prepared under the name of another life. */
function branchOf(database: FakeDatabase, changes: Partial<Witness>): string {
  const transaction = formatTransactionId({ ...witnessOf(database), sequence: 7, ...changes });
  return `${transaction}:${formatBranchQualifier(database.name, 0)}`;
}

function isOfTransaction(unit: Unit): boolean {
  return unit.operations.some((operation) => operation.kind === 'setState' && operation.key.startsWith('transaction/'));
}

const WISH = { reason: 'ticket 4711', by: 'ann' };

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
    const { orders, story } = await setup();
    await using _ = story;
    assert.equal(witnessOf(orders).epoch, 1);
    await story.crash();
    assert.equal(witnessOf(orders).epoch, 2);
    assert.ok(!orders.log.includes('begin'));
  });

  test('while nothing is to be settled it looks at a database once a minute', async () => {
    const { orders, story } = await setup();
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
    const { orders, story } = await setup();
    await using _ = story;
    const transaction = story.begin();
    await transaction.commit();
    assert.ok(!orders.log.includes('begin'));
  });

  test('uses at the same time share one branch, and get the same client', async () => {
    const { orders, story } = await setup();
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
    const { story } = await setup();
    await using _ = story;
    const transaction = story.begin();
    await transaction.rollback();
    await assert.rejects(story.enlist(transaction, 0), { code: 'TRANSACTION_ENDED' });
    await assert.rejects(transaction.commit(), { code: 'TRANSACTION_ENDED' });
    await transaction.rollback();
    assert.equal(transaction.outcome, 'rolledBack');
  });

  test('a branch whose beginning nobody awaited rolls the transaction back', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    const transaction = story.begin();
    const enlisting = story.enlist(transaction, 0).catch((error: unknown) => error as { readonly code: string });
    await assert.rejects(transaction.commit(), { code: 'STATEMENT_STILL_RUNNING' });
    assert.equal(((await enlisting) as { readonly code: string }).code, 'TRANSACTION_ENDED');
    assert.equal(orders.sessions.size, 0);
  });

  test('a rollback under a branch that is just beginning leaves no session behind', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    const transaction = story.begin();
    const enlisting = assert.rejects(story.enlist(transaction, 0), { code: 'TRANSACTION_ENDED' });
    await transaction.rollback();
    await enlisting;
    assert.equal(orders.sessions.size, 0);
  });

  test('a resource that the endpoint does not list is refused', async () => {
    const { story } = await setup();
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
    const { orders, story } = await setup();
    await using _ = story;
    orders.plant(branchOf(orders, { generation: 'h'.repeat(8) }));
    await story.machine.advance(590_000);
    assert.equal(story.warnings.filter((text) => text.includes('has been prepared')).length, 1);
    await story.machine.advance(300_000);
    assert.equal(story.warnings.filter((text) => text.includes('has been prepared')).length, 2);
  });

  test('a branch of this epoch that nobody knows is rolled back when two scans 20 s apart have seen it', async () => {
    const { orders, story } = await setup();
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
    const { orders, story } = await setup();
    await story.put('m1');
    await (await story.handle()).done;
    await story.manager.close();
    assert.deepEqual([...orders.markers], [], 'marker rows are deleted before it ends');
    assert.equal(story.machine.io.timers.armedCount, 0);
  });
});

describe('what an endpoint needs of its databases', () => {
  test('two databases of one name are refused', async () => {
    const databases = [new FakeDatabase('orders'), new FakeDatabase('orders')];
    await assert.rejects(CoordinatorStory.begin(databases), { code: 'INVALID_OPTION', message: /one name/ });
    const { story } = await setup();
    await using _ = story;
    const again = new FakeDatabase('orders').connect(story.life);
    await assert.rejects(
      story.coordinator.use({ endpoint: 'b', resources: [again], branchCount: 1, protocol: 'auto' }),
      {
        code: 'INVALID_OPTION',
      },
    );
  });

  test('the marker row cannot be forced for several databases', async () => {
    const databases = [new FakeDatabase('orders'), new FakeDatabase('stock')];
    await assert.rejects(CoordinatorStory.begin(databases, { protocol: 'marker' }), { code: 'INVALID_OPTION' });
  });

  test('a pool that is smaller than the concurrency that uses it is refused, with both numbers', async () => {
    const { story } = await setup();
    await using _ = story;
    const [orders] = story.resources;
    assert.ok(orders !== undefined);
    assert.equal(orders.sizedTo, 4);
    orders.poolSize = 7;
    const request = { endpoint: 'b', resources: [orders], branchCount: 4, protocol: 'auto' } as const;
    await assert.rejects(story.coordinator.use(request), {
      code: 'INVALID_OPTION',
      message: /is 7, .* may have 8 .* Raise it to 8/,
    });
    const use = await story.coordinator.use({ ...request, branchCount: 3 });
    assert.equal(orders.sizedTo, 7);
    use.release();
    await (await story.coordinator.use({ ...request, branchCount: 3 })).release();
  });

  const obstacle = { what: 'max_prepared_transactions is 0', mend: 'Set it to 100.' };
  for (const [rule, inspection, count, protocol, isUnfit] of [
    ['PREPARE is not asked of a server that is used by marker row', { twoPhaseObstacle: obstacle }, 1, 'auto', false],
    [
      'a server that cannot prepare is refused where two-phase commit is forced',
      { twoPhaseObstacle: obstacle },
      1,
      'twoPhase',
      true,
    ],
    ['a server that cannot prepare is refused beside another one', { twoPhaseObstacle: obstacle }, 2, 'auto', true],
    ['a server that cannot keep the marker row is refused', { markerObstacle: obstacle }, 1, 'auto', true],
    ['a server that keeps too few prepared branches is refused', { preparedMax: 3 }, 1, 'twoPhase', true],
    ['a server that keeps just enough prepared branches will do', { preparedMax: 4 }, 1, 'twoPhase', false],
  ] as const) {
    test(rule, async () => {
      const databases = ['orders', 'stock'].slice(0, count).map((name) => new FakeDatabase(name));
      for (const database of databases) database.inspection = { ...database.inspection, ...inspection };
      const begin = CoordinatorStory.begin(databases, { protocol });
      if (isUnfit) await assert.rejects(begin, { code: 'RESOURCE_UNFIT' });
      else await (await begin)[Symbol.asyncDispose]();
    });
  }

  test('a server that turns out to be unfit when it is reached refuses branches, and says why', async () => {
    const orders = new FakeDatabase('orders');
    orders.isDown = true;
    orders.inspection = { ...orders.inspection, markerObstacle: obstacle };
    await using story = await CoordinatorStory.begin([orders]);
    let changes = 0;
    story.use.onChange(() => changes++);
    orders.isDown = false;
    await story.machine.advance(10_000);
    assert.ok(changes > 0);
    assert.equal(story.use.fenced[0]?.state, 'unfit');
    assert.match(story.use.fenced[0]?.sentence ?? '', /max_prepared_transactions is 0\. Set it to 100\./);
    const transaction = story.begin();
    await assert.rejects(story.enlist(transaction, 0), { code: 'RESOURCE_UNFIT' });
  });

  test('which protocol is used, and why, can be told', async () => {
    for (const [count, protocol, words] of [
      [1, 'auto', /^marker row: one database/],
      [2, 'auto', /^marker row when one .* two-phase commit when several/],
      [1, 'twoPhase', /^two-phase commit: asked for/],
    ] as const) {
      const databases = ['orders', 'stock'].slice(0, count).map((name) => new FakeDatabase(name));
      await using story = await CoordinatorStory.begin(databases, { protocol });
      assert.match(story.use.describe()[0]?.protocol ?? '', words);
      assert.equal(story.use.describe()[0]?.inspection?.server, 'Fake 1');
    }
  });
});

describe('a store that went back in time', () => {
  async function fenced(count = 1) {
    const { orders, stock, story } = await setup(count);
    await story.put('m1');
    story.kill();
    const lost = { ...witnessOf(orders), epoch: 9, opening: 'another' };
    for (const database of story.databases) database.witnesses.set(lost.queueManager, lost);
    await story.open();
    return { orders, stock, story, lost };
  }

  test('is fenced: no branch begins, and the endpoint is told which messages may have been handled', async () => {
    const { orders, story } = await fenced();
    await using _ = story;
    assert.equal(story.use.fenced.length, 1);
    const [resource] = await story.resourceViews();
    assert.equal(resource?.state, 'fenced');
    assert.equal(resource?.mayBeHandledUpTo, story.manager.highestSequence());
    assert.match(resource?.sentence ?? '', /Epoch 9 stands there .* went back in time .* forget orders/);
    const transaction = story.begin();
    await assert.rejects(story.enlist(transaction, 0), { code: 'RESOURCE_FENCED' });
    assert.ok(!orders.log.includes('begin'));
    await story.restart();
    assert.equal(story.use.fenced.length, 1, 'also after a restart');
  });

  test('presumes nothing: branches without a decision are listed and stay, until an operator ends each', async () => {
    const { orders, story, lost } = await fenced();
    await using _ = story;
    const [one, other] = [branchOf(orders, { ...lost, epoch: 1 }), branchOf(orders, { ...lost, epoch: 9 })];
    orders.plant(one, ['from one']);
    orders.plant(other, ['from the other']);
    await story.machine.advance(300_000);
    assert.deepEqual(
      (await story.view()).map(({ state }) => state),
      ['fenced', 'fenced'],
    );
    const idOf = (text: string) => text.slice(0, text.indexOf(':'));
    await assert.rejects(story.coordinator.act({ ...WISH, action: 'forget', id: idOf(one) }), {
      code: 'TRANSACTION_ACTION_REFUSED',
    });
    await story.coordinator.act({ ...WISH, action: 'commit', id: idOf(one) });
    await story.coordinator.act({ ...WISH, action: 'abort', id: idOf(other) });
    assert.deepEqual(orders.rows, ['from one']);
    assert.deepEqual([...orders.prepared], []);
    assert.deepEqual(await story.state('operator-action/'), [
      'operator-action/000000000001',
      'operator-action/000000000002',
    ]);
  });

  test('is accepted by an operator: a new generation, and branches begin again', async () => {
    const { orders, story, lost } = await fenced();
    await using _ = story;
    const old = branchOf(orders, { ...lost, epoch: 1 });
    orders.plant(old);
    await assert.rejects(story.coordinator.act({ ...WISH, action: 'forget', id: 'orders', reason: ' ' }), {
      code: 'REASON_MISSING',
    });
    await story.coordinator.act({ ...WISH, action: 'forget', id: 'orders' });
    assert.deepEqual(story.use.fenced, []);
    const now = witnessOf(orders);
    assert.notEqual(now.generation, lost.generation);
    assert.ok(now.epoch > lost.epoch);
    assert.equal(await (await story.handle()).done, undefined);
    assert.deepEqual(orders.rows, ['m1']);
    await story.machine.advance(120_000);
    assert.deepEqual([...orders.prepared.keys()], [old], 'nobody here can vouch for that one');
    await story.restart();
    assert.deepEqual(story.use.fenced, []);
  });

  test('with several databases is accepted for each of them', async () => {
    const { story } = await fenced(2);
    await using _ = story;
    assert.equal(story.use.fenced.length, 2);
    await story.coordinator.act({ ...WISH, action: 'forget', id: 'orders' });
    assert.equal(story.use.fenced.length, 1);
    await story.coordinator.act({ ...WISH, action: 'forget', id: 'stock' });
    assert.deepEqual(story.use.fenced, []);
    assert.equal(await (await story.handle()).done, undefined);
    await story.crash();
    assert.deepEqual(story.use.fenced, []);
  });

  test('a database that was never fenced, and missed the new generation, follows when it is reached', async () => {
    const { orders, stock, story } = await setup(2);
    await using _ = story;
    story.kill();
    orders.witnesses.set(witnessOf(orders).queueManager, { ...witnessOf(orders), epoch: 9, opening: 'another' });
    await story.open();
    assert.deepEqual(
      story.use.fenced.map(({ name }) => name),
      ['orders'],
    );
    stock.isDown = true;
    await story.coordinator.act({ ...WISH, action: 'forget', id: 'orders' });
    story.kill();
    stock.isDown = false;
    await story.open();
    assert.deepEqual(story.use.fenced, []);
    assert.equal(witnessOf(stock).generation, witnessOf(orders).generation);
  });

  test('a copy that begins while this one runs is found within a minute', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    const own = witnessOf(orders);
    orders.witnesses.set(own.queueManager, { ...own, epoch: own.epoch + 1, opening: 'the copy' });
    await story.machine.advance(61_000);
    assert.equal(story.use.fenced.length, 1);
  });

  test('what was staged stays in doubt until an operator says which, or accepts the store', async () => {
    for (const action of ['commit', 'abort', 'forget'] as const) {
      const { orders, story } = await setup();
      await story.put('m1');
      orders.fail('commitWithMarker', 'lostBefore');
      orders.onRequest = (name) => {
        if (name === 'fence') story.kill();
      };
      await story.handle();
      await story.machine.settle();
      orders.onRequest = () => undefined;
      orders.witnesses.set(witnessOf(orders).queueManager, { ...witnessOf(orders), epoch: 9, opening: 'another' });
      await story.open();
      await using _ = story;
      await story.machine.advance(120_000);
      assert.deepEqual([...orders.markers], [], 'no fence is inserted where nothing may be presumed');
      const [view] = await story.view();
      assert.equal(view?.state, 'inDoubt');
      assert.match(view?.sentence ?? '', /'orders' is fenced, so nothing is concluded/);
      await story.coordinator.act({ ...WISH, action, id: action === 'forget' ? 'orders' : (view?.id ?? '') });
      await story.machine.advance(120_000);
      assert.deepEqual(await story.waiting('out'), action === 'commit' ? ['m1'] : []);
      assert.deepEqual(await story.waiting('in'), action === 'commit' ? [] : ['m1']);
      assert.deepEqual(await story.state('transaction/'), []);
    }
  });
});

describe('what operators do', () => {
  test('a heuristic outcome is kept and shown, and its sends are held, until an operator forgets it', async () => {
    const { stock, story } = await setup(2);
    await using _ = story;
    await story.put('m1');
    stock.fail('finish', 'lostBefore');
    const { done, transaction } = await story.handle();
    assert.equal(await done, undefined);
    const [text = ''] = stock.prepared.keys();
    stock.prepared.delete(text);
    stock.outcomes.set(text, 'rolledBack');
    await story.machine.advance(10_000);
    await story.crash();
    await story.machine.advance(120_000);
    const view = await story.coordinator.show({ id: transaction.id.slice(0, 50) });
    assert.equal(view?.state, 'heuristic');
    assert.match(view?.sentence ?? '', /'stock' has another outcome \(rolled back there: .*'forget'/);
    assert.deepEqual(await story.waiting('out'), []);
    await assert.rejects(story.coordinator.act({ ...WISH, action: 'abort', id: transaction.id }), /decided/);
    await story.coordinator.act({ ...WISH, action: 'forget', id: transaction.id });
    assert.deepEqual(await story.waiting('out'), ['m1']);
    assert.deepEqual(await story.view(), []);
  });

  test('a retry asks the databases now', async () => {
    const { stock, story } = await setup(2);
    await using _ = story;
    await story.put('m1');
    stock.onRequest = (name) => {
      if (name === 'finish') stock.isDown = true;
    };
    const { transaction } = await story.handle();
    await story.machine.settle();
    stock.onRequest = () => undefined;
    await story.machine.advance(60_000);
    stock.isDown = false;
    assert.equal(await story.coordinator.act({ ...WISH, action: 'retry', id: transaction.id }), undefined);
    assert.deepEqual(stock.rows, ['m1']);
    assert.deepEqual(await story.waiting('out'), ['m1']);
  });

  test('what is decided is neither aborted nor forgotten while a database has not been told', async () => {
    const { stock, story } = await setup(2);
    await using _ = story;
    await story.put('m1');
    stock.fail('finish', 'lostBefore');
    stock.fail('recoveryFinish', 'lostBefore');
    const { transaction, done } = await story.handle();
    await done;
    for (const action of ['abort', 'commit', 'forget'] as const) {
      await assert.rejects(story.coordinator.act({ ...WISH, action, id: transaction.id }), {
        code: 'TRANSACTION_ACTION_REFUSED',
      });
    }
    await assert.rejects(story.coordinator.act({ ...WISH, action: 'retry', id: 'nothing' }), {
      code: 'TRANSACTION_NOT_FOUND',
    });
  });

  test('records that were found are shown while nobody uses their databases', async () => {
    const { stock, story } = await setup(2);
    await story.put('m1');
    stock.onRequest = (name) => {
      if (name === 'finish') story.kill();
    };
    const { transaction } = await story.handle();
    await story.machine.settle();
    stock.onRequest = () => undefined;
    await story.open({ uses: false });
    await using _ = story;
    const { transactions, resources } = await story.coordinator.list({});
    assert.deepEqual(
      transactions.map(({ id, state, endpoint }) => [id, state, endpoint]),
      [[transaction.id, 'committing', 'sales']],
    );
    assert.match(transactions[0]?.sentence ?? '', /No endpoint that lists 'orders' is running/);
    assert.deepEqual(
      resources.map(({ name, state }) => [name, state]),
      [
        ['orders', 'absent'],
        ['stock', 'absent'],
      ],
    );
    await assert.rejects(story.coordinator.act({ ...WISH, action: 'retry', id: transaction.id }), {
      code: 'TRANSACTION_ACTION_REFUSED',
    });
  });

  test('the last 200 actions are kept', async () => {
    const { orders, story } = await setup();
    await using _ = story;
    orders.plant(branchOf(orders, { generation: 'h'.repeat(8) }));
    await story.machine.advance(61_000);
    const [view] = await story.view();
    for (let count = 0; count < 203; count++) {
      await story.coordinator.act({ ...WISH, action: 'retry', id: view?.id ?? '' });
    }
    const keys = await story.state('operator-action/');
    assert.equal(keys.length, 200);
    assert.equal(keys[0], 'operator-action/000000000004');
    await story.restart();
    await story.machine.advance(10);
    assert.equal((await story.view())[0]?.actions.length, 200);
  });
});
