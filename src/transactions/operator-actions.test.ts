import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { branchOf, setupDatabases } from '../../test/support/databases-setup.ts';

const WISH = { reason: 'ticket 4711', by: 'ann' };

describe('what operators do', () => {
  test('a heuristic outcome is kept and shown, and its sends are held, until an operator forgets it', async () => {
    const { stock, story } = await setupDatabases(2);
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
    for (const action of ['commit', 'abort'] as const) {
      const refused = story.coordinator.act({ ...WISH, action, id: transaction.id });
      await assert.rejects(refused, /has another outcome.*then use 'forget'/s);
    }
    await story.coordinator.act({ ...WISH, action: 'forget', id: transaction.id });
    assert.deepEqual(await story.waiting('out'), ['m1']);
    assert.deepEqual(await story.view(), []);
  });

  test('can be read when the transaction is settled and gone from the list, also after a restart', async () => {
    const { orders, story } = await setupDatabases();
    await using _ = story;
    orders.plant(branchOf(orders, { generation: 'h'.repeat(8) }));
    await story.machine.advance(61_000);
    const [view] = await story.view();
    await story.coordinator.act({ ...WISH, action: 'abort', id: view?.id ?? '' });
    await story.restart();
    assert.deepEqual(await story.view(), []);
    const settled = await story.coordinator.show({ id: view?.id.slice(0, 50) ?? '' });
    assert.equal(settled?.state, 'settled');
    assert.deepEqual(
      settled?.actions.map(({ action, by, reason }) => [action, by, reason]),
      [['abort', 'ann', 'ticket 4711']],
    );
  });

  test('a retry asks the databases now', async () => {
    const { stock, story } = await setupDatabases(2);
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
    const { stock, story } = await setupDatabases(2);
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
    const { stock, story } = await setupDatabases(2);
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
    const { orders, story } = await setupDatabases();
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
