import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TransactionContext } from '../../src/pipeline/transaction-context.ts';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';
import { code, failure } from '../support/failure.ts';

describe('when a program runs a transaction', () => {
  test('what it wrote and what it sent commit together, and it gets what its function returned', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const [orders, stock] = [story.resource('orders'), story.resource('stock')];
    const web = story.endpoint('web', { resources: [orders, stock] });
    await web.start();
    const seen: unknown[] = [];
    const orderId = await web.transaction(async (tx) => {
      await (await tx.resource(orders)).insert('order');
      await (await tx.resource(stock)).insert('item');
      await tx.send('Bill', {}, { to: 'billing' });
      await tx.sendLocal('Order', {});
      await tx.publish('OrderPlaced', {});
      seen.push(story.orders.rows.length, story.status('billing')?.messages ?? 0, tx.signal.aborted);
      assert.match(tx.id, /^P1\./);
      return 'order-1';
    });
    assert.equal(orderId, 'order-1');
    assert.deepEqual(seen, [0, 0, false]);
    assert.deepEqual([story.orders.rows, story.stock.rows], [['order'], ['item']]);
    assert.equal(story.status('billing')?.messages, 1);
  });

  test('what its function throws undoes everything and comes out as it is', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders] });
    await web.start();
    const thrown = new Error('the customer changed his mind');
    const caught = await failure(
      web.transaction(async (tx) => {
        await orders.insert('order');
        await tx.send('Bill', {}, { to: 'billing' });
        throw thrown;
      }),
    );
    assert.equal(caught, thrown);
    assert.deepEqual(story.orders.rows, []);
    assert.equal(story.orders.sessions.size, 0, 'rolled back before the caller hears of it');
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    assert.equal(await failure(web.transaction(() => Promise.reject(thrown))), thrown);
    assert.equal(
      await failure(
        web.transaction(() => {
          throw thrown;
        }),
      ),
      thrown,
    );
  });

  test('it hears of the failure after the database has rolled back', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const answer = story.delayRollbacks(orders);
    const web = story.endpoint('web', { resources: [orders] });
    await web.start();
    const errors: unknown[] = [];
    const running = failure(
      web.transaction(async () => {
        await orders.insert('order');
        throw new Error('no');
      }),
    ).then((caught) => errors.push(caught));
    await story.settle();
    assert.equal(errors.length, 0);
    answer.resolve();
    await running;
    assert.equal((errors[0] as Error).message, 'no');
  });

  test('a send that says so leaves at once, as does one of the endpoint itself; both stay sent', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const web = story.endpoint('web', { resources: [story.resource('orders')] });
    await web.start();
    await failure(
      web.transaction(async (tx) => {
        await tx.send('Bill', {}, { to: 'billing', dispatch: 'now' });
        await web.send('Bill', {}, { to: 'billing' });
        throw new Error('too late');
      }),
    );
    assert.equal(story.status('billing')?.messages, 2);
  });

  test('what is called below finds the transaction; after its end nothing takes part any more', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders] });
    await web.start();
    const over = Promise.withResolvers<void>();
    let kept: TransactionContext<typeof orders> | undefined;
    let late: Promise<unknown> = Promise.resolve();
    await web.transaction(async (tx) => {
      kept = tx;
      await (async () => orders.insert('from below'))();
      late = over.promise.then(() => failure(orders.insert('late')));
    });
    over.resolve();
    assert.equal(code(await late), 'TRANSACTION_ENDED');
    assert.ok(kept !== undefined);
    assert.equal(code(await failure(kept.resource(orders))), 'TRANSACTION_ENDED');
    assert.equal(code(await failure(kept.send('Bill', {}, { to: 'billing' }))), 'TRANSACTION_ENDED');
    assert.equal(code(await failure(orders.insert('outside'))), 'NO_TRANSACTION');
    assert.deepEqual(story.orders.rows, ['from below']);
  });

  test('after the transaction timeout it is rolled back, told by its signal, and refused everything', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders], transactions: { timeoutMs: 60_000 } });
    await web.start();
    const goOn = Promise.withResolvers<void>();
    let reason: unknown;
    const late: unknown[] = [];
    const running = failure(
      web.transaction(async (tx) => {
        await orders.insert('order');
        await tx.send('Bill', {}, { to: 'billing' });
        tx.signal.addEventListener('abort', () => {
          reason = tx.signal.reason;
        });
        await goOn.promise;
        late.push(await failure(tx.send('Bill', {}, { to: 'billing' })), await failure(orders.insert('late')));
      }),
    );
    await story.advance(59_999);
    assert.equal(reason, undefined);
    await story.advance(1);
    assert.equal(code(await running), 'TRANSACTION_TIMED_OUT');
    assert.equal(code(reason), 'TRANSACTION_TIMED_OUT');
    assert.equal(story.orders.sessions.size, 0);
    goOn.resolve();
    await story.settle();
    assert.deepEqual(late.map(code), ['TRANSACTION_ENDED', 'TRANSACTION_ENDED']);
    assert.deepEqual(story.orders.rows, []);
    assert.equal(story.status('billing')?.messages ?? 0, 0);
  });

  test('what the database says at the commit comes out, and nothing is there', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders] });
    await web.start();
    story.orders.fail('commitWithMarker', 'refused');
    const error = await failure(
      web.transaction(async (tx) => {
        await orders.insert('order');
        await tx.send('Bill', {}, { to: 'billing' });
      }),
    );
    assert.match((error as Error).message, /commitWithMarker was refused by the server/);
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    assert.deepEqual(story.orders.rows, []);
  });

  test('a commit whose answer is lost and cannot be found out is OUTCOME_UNKNOWN, and settled later', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders] });
    await web.start();
    story.orders.fail('commitWithMarker', 'lostAfter');
    for (let times = 0; times < 100; times++) story.orders.fail('fence', 'lostBefore');
    const running = failure(
      web.transaction(async (tx) => {
        await orders.insert('order');
        await tx.send('Bill', {}, { to: 'billing' });
      }),
    );
    await story.advance(10_000);
    assert.equal(code(await running), 'OUTCOME_UNKNOWN');
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    story.orders.forgetFaults();
    await story.advance(60_000);
    assert.equal(story.status('billing')?.messages, 1);
    assert.deepEqual(story.orders.rows, ['order']);
  });

  test('without databases what it sends commits together', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const web = story.endpoint('web');
    await web.start();
    await web.transaction(async (tx) => {
      await tx.send('Bill', {}, { to: 'billing' });
      await tx.send('Ship', {}, { to: 'shipping' });
      assert.equal(story.status('billing')?.messages ?? 0, 0);
    });
    await failure(
      web.transaction(async (tx) => {
        await tx.send('Bill', {}, { to: 'billing' });
        throw new Error('no');
      }),
    );
    assert.deepEqual([story.status('billing')?.messages, story.status('shipping')?.messages], [1, 1]);
  });

  test('with databases no more than its concurrency run at a time, besides the handlers; others wait for their turn', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders], concurrency: 2 });
    await web.start();
    assert.equal(orders.resourceManager.sizedTo, 2);
    const goOn = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    const one = (number: number): Promise<number> =>
      web.transaction(async () => {
        most = Math.max(most, ++running);
        await goOn.promise;
        await orders.insert(`${number}`);
        running--;
        return number;
      });
    const all = Promise.all([1, 2, 3, 4, 5].map(one));
    await story.settle();
    assert.equal(running, 2);
    assert.equal(orders.resourceManager.sizedTo, 4, 'two handlers, two transactions of the program');
    goOn.resolve();
    assert.deepEqual(await all, [1, 2, 3, 4, 5]);
    assert.equal(most, 2);
    assert.deepEqual(story.orders.rows, ['1', '2', '3', '4', '5']);
  });

  test('a pool without room for them is refused when the first is asked for', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    orders.resourceManager.poolSize = 3;
    const web = story.endpoint('web', { resources: [orders], concurrency: 2 });
    await web.start();
    assert.equal(code(await failure(web.transaction(() => orders.insert('x')))), 'INVALID_OPTION');
    orders.resourceManager.poolSize = 4;
    await web.transaction(() => orders.insert('y'));
    assert.deepEqual(story.orders.rows, ['y']);
  });

  test('an endpoint that is not running refuses it', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const web = story.endpoint('web');
    assert.equal(code(await failure(web.transaction(() => 1))), 'ENDPOINT_NOT_RUNNING');
    await web.start();
    assert.equal(await web.transaction(() => 1), 1);
    await web.stop();
    assert.equal(code(await failure(web.transaction(() => 1))), 'ENDPOINT_NOT_RUNNING');
  });

  test('a send-only endpoint runs them too; it has no queue of its own to send to', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders], sendOnly: true, concurrency: 2 });
    await web.start();
    await web.transaction(async (tx) => {
      await orders.insert('order');
      await tx.send('Bill', {}, { to: 'billing' });
    });
    assert.equal(orders.resourceManager.sizedTo, 2);
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(code(await failure(web.transaction((tx) => tx.sendLocal('Order', {})))), 'ENDPOINT_SEND_ONLY');
  });
});
