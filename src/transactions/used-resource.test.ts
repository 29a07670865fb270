import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { branchOf, setupDatabases, witnessOf } from '../../test/support/databases-setup.ts';
import { preparedForMs } from './used-resource.ts';

const WISH = { reason: 'ticket 4711', by: 'ann' };

describe('a store that went back in time', () => {
  async function fenced(count = 1) {
    const { orders, stock, story } = await setupDatabases(count);
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
    const { orders, stock, story } = await setupDatabases(2);
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
    const { orders, story } = await setupDatabases();
    await using _ = story;
    const own = witnessOf(orders);
    orders.witnesses.set(own.queueManager, { ...own, epoch: own.epoch + 1, opening: 'the copy' });
    await story.machine.advance(61_000);
    assert.equal(story.use.fenced.length, 1);
  });

  test('what was staged stays in doubt until an operator says which, or accepts the store', async () => {
    for (const action of ['commit', 'abort', 'forget'] as const) {
      const { orders, story } = await setupDatabases();
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

describe('how long a branch has been prepared', () => {
  const seen = { kind: 'fenced', firstSeenMs: 1_000, scannedMs: 5_000, lastAnswer: undefined, attempts: 0 } as const;
  const branch = { text: 'b', id: undefined, owner: undefined, sql: { commit: '', rollback: '' } };

  test('is what the server said, and the time since', () => {
    assert.equal(preparedForMs({ ...seen, branch: { ...branch, ageMs: 300 } }, 6_000), 1_300);
  });

  test('counts from the first scan that saw it where the server does not tell', () => {
    assert.equal(preparedForMs({ ...seen, branch: { ...branch, ageMs: undefined } }, 6_000), 5_000);
  });
});

describe('a database whose marker table is gone', () => {
  /** A commit is in doubt, its process dead, and the table dropped with the row that would tell of it. */
  async function dropped({ isRestored = false } = {}) {
    const { orders, story } = await setupDatabases(1);
    await story.put('m1', 'm2');
    orders.fail('commitWithMarker', 'lostAfter');
    orders.isSilentTo = (request) => request === 'fence';
    const { transaction } = await story.handle();
    await story.machine.advance(10);
    story.kill();
    orders.isSilentTo = () => false;
    orders.markers.clear();
    orders.isMarkerTableGone = true;
    const own = witnessOf(orders);
    if (isRestored) orders.witnesses.set(own.queueManager, { ...own, epoch: 9, opening: 'another' });
    await story.open();
    await story.machine.advance(60_000);
    return { orders, story, transaction };
  }

  test('is fenced while a transaction is in doubt there: that its row is not there proves nothing', async () => {
    const { orders, story, transaction } = await dropped();
    await using _ = story;
    const [resource] = await story.resourceViews();
    assert.equal(resource?.state, 'fenced');
    assert.equal(resource?.mayBeHandledUpTo, undefined);
    assert.match(resource?.sentence ?? '', /^Its table posthorn_marker is gone.*transactions commit ID.*forget orders/);
    assert.ok(story.warnings.some((text) => text.startsWith("Database 'orders' is fenced: its table posthorn_marker")));
    assert.equal((await story.view())[0]?.id, transaction.id);
    assert.deepEqual([...orders.markers], [], 'no fence was written');
    await story.restart();
    assert.equal(story.use.fenced.length, 1, 'also after a restart');
  });

  test('is used again when an operator has told what committed, and has accepted it', async () => {
    const { orders, story, transaction } = await dropped();
    await using _ = story;
    await story.coordinator.act({ ...WISH, action: 'commit', id: transaction.id });
    await story.coordinator.act({ ...WISH, action: 'forget', id: 'orders' });
    assert.equal(orders.isMarkerTableGone, false);
    assert.deepEqual(story.use.fenced, []);
    assert.equal(await (await story.handle()).done, undefined);
    assert.deepEqual(orders.rows, ['m1', 'm2']);
    await story.machine.advance(10);
    assert.deepEqual(await story.waiting('out'), ['m1', 'm2']);
  });

  test('stays fenced when its witness is another life’s as well: accepting the one is not accepting the other', async () => {
    const { orders, story } = await dropped({ isRestored: true });
    await using _ = story;
    const sentence = async () => (await story.resourceViews())[0]?.sentence ?? '';
    assert.match(await sentence(), /^Its table posthorn_marker is gone/);
    await story.coordinator.act({ ...WISH, action: 'forget', id: 'orders' });
    assert.match(await sentence(), /^Epoch 9 stands there .* went back in time/);
    assert.equal(witnessOf(orders).epoch, 9);
    assert.deepEqual([...orders.markers], [], 'nothing was concluded');
    await story.coordinator.act({ ...WISH, action: 'forget', id: 'orders' });
    assert.deepEqual(story.use.fenced, []);
  });

  test('is made anew without a word where nothing is in doubt', async () => {
    const { orders, story } = await setupDatabases(1);
    await using _ = story;
    orders.isMarkerTableGone = true;
    await story.restart();
    assert.deepEqual(story.use.fenced, []);
    assert.equal(orders.isMarkerTableGone, false);
  });
});
