import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';
import { record } from '../support/endpoint-story.ts';

const oneAttempt = { immediateRetries: 0, delayedRetries: 0 };

describe('when a transaction cannot commit', () => {
  test('fault 75: a deadlock victim and a serialization failure are tried again without a word in the error queue', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    story.orders.fail('statement', 'refused');
    story.orders.fail('commitWithMarker', 'refused');
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await orders.insert('order');
      await context.send('Bill', {}, { to: 'billing' });
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.deepEqual(story.orders.rows, ['order']);
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });

  test('a handler that waits longer than the transaction timeout is rolled back everywhere and retried', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const [orders, stock] = [story.resource('orders'), story.resource('stock')];
    const sales = story.endpoint('sales', {
      resources: [orders, stock],
      concurrency: 2,
      transactions: { timeoutMs: 60_000 },
    });
    const goOn = Promise.withResolvers<void>();
    const late: unknown[] = [];
    const reasons: unknown[] = [];
    sales.handle('Order', async (_order, context) => {
      await orders.insert(`order, attempt ${context.attempt.total}`);
      await stock.insert(`item, attempt ${context.attempt.total}`);
      await context.send('Bill', {}, { to: 'billing' });
      if (context.attempt.total > 1) return;
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
      await goOn.promise;
      late.push(await orders.insert('too late').catch((error: unknown) => error));
    });
    const timedOut = record(sales, 'timedOut');
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.advance(59_999);
    assert.equal(timedOut.length, 0);
    await story.advance(1);
    assert.equal(timedOut.length, 1);
    assert.equal((reasons[0] as { code?: string }).code, 'TRANSACTION_TIMED_OUT');
    assert.deepEqual(story.orders.rows, ['order, attempt 2']);
    assert.deepEqual(story.stock.rows, ['item, attempt 2']);
    assert.equal(story.status('billing')?.messages, 1);
    goOn.resolve();
    await story.settle();
    assert.equal((late[0] as { code?: string }).code, 'TRANSACTION_ENDED');
    assert.deepEqual(story.orders.rows, ['order, attempt 2']);
  });

  test('the retry of one that timed out does not wait for a database that is slow to roll back', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const answer = story.delayRollbacks(orders);
    const sales = story.endpoint('sales', {
      resources: [orders],
      concurrency: 2,
      transactions: { timeoutMs: 60_000 },
    });
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await orders.insert(`attempt ${context.attempt.total}`);
      if (context.attempt.total === 1) await new Promise(() => undefined);
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.advance(60_000);
    assert.deepEqual(attempts, [1, 2]);
    assert.deepEqual(story.orders.rows, ['attempt 2']);
    answer.resolve();
    await story.settle();
    assert.deepEqual(story.orders.rows, ['attempt 2']);
  });

  test('a database that is down fails the message, as any error of a handler does', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: oneAttempt });
    sales.handle('Order', () => orders.insert('order'));
    story.orders.isDown = true;
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal((await story.onlyMessageIn('error')).headers[Header.exceptionType], 'ResourceUnavailable');
  });

  test('a commit in doubt keeps the message locked; proven committed, it counts as handled', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    story.orders.fail('commitWithMarker', 'lostAfter');
    story.orders.onRequest = (request) => {
      if (request === 'commitWithMarker')
        for (let times = 0; times < 100; times++) story.orders.fail('fence', 'lostBefore');
    };
    sales.handle('Order', async (_order, context) => {
      await orders.insert('order');
      await context.send('Bill', {}, { to: 'billing' });
    });
    const [handled, unknown] = [record(sales, 'handled'), record(sales, 'outcomeUnknown')];
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.advance(10_000);
    assert.equal(unknown.length, 1);
    assert.equal(handled.length, 0);
    assert.deepEqual([story.status('sales')?.messages, story.status('sales')?.inFlight], [1, 1]);
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    story.orders.forgetFaults();
    await story.advance(60_000);
    assert.equal(handled.length, 1);
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal(story.status('billing')?.messages, 1);
    assert.deepEqual(story.orders.rows, ['order']);
  });

  test('a commit in doubt that is proven rolled back makes the message available again, uncounted', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: oneAttempt });
    story.orders.fail('commitWithMarker', 'lostBefore');
    story.orders.onRequest = (request) => {
      if (request !== 'commitWithMarker' || attempts.length > 1) return;
      for (let times = 0; times < 100; times++) story.orders.fail('fence', 'lostBefore');
    };
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await orders.insert(`try ${attempts.length}`);
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.advance(10_000);
    assert.deepEqual(attempts, [1]);
    story.orders.forgetFaults();
    await story.advance(60_000);
    assert.deepEqual(attempts, [1, 1]);
    assert.deepEqual(story.orders.rows, ['try 2']);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });
});
