import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';
import { code, failure } from '../support/failure.ts';

describe('when an endpoint stops in a transaction', () => {
  test('it waits for it, and begins no other', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders], concurrency: 1 });
    await web.start();
    const goOn = Promise.withResolvers<void>();
    const running = web.transaction(async (tx) => {
      await orders.insert('order');
      await goOn.promise;
      await tx.send('Bill', {}, { to: 'billing' });
      return 'done';
    });
    const waiting = failure(web.transaction(() => orders.insert('waits for its turn')));
    await story.settle();
    let isStopped = false;
    const stopping = web.stop({ timeoutMs: 60_000 }).then(() => {
      isStopped = true;
    });
    await story.advance(59_999);
    assert.equal(isStopped, false);
    assert.equal(code(await waiting), 'TRANSACTION_ABORTED');
    assert.equal(code(await failure(web.transaction(() => orders.insert('too late')))), 'TRANSACTION_ABORTED');
    goOn.resolve();
    assert.equal(await running, 'done');
    await stopping;
    assert.deepEqual(story.orders.rows, ['order']);
    assert.equal(story.status('billing')?.messages, 1);
  });

  test('after its time it aborts it: everything is rolled back, and nobody waits for a function that never ends', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders] });
    await web.start();
    let reason: unknown;
    const running = failure(
      web.transaction(async (tx) => {
        await orders.insert('order');
        tx.signal.addEventListener('abort', () => {
          reason = tx.signal.reason;
        });
        await new Promise(() => undefined);
      }),
    );
    await story.settle();
    const stopping = web.stop({ timeoutMs: 60_000 });
    await story.settle();
    void web.stop({ timeoutMs: 5_000 });
    await story.advance(5_000);
    await stopping;
    assert.equal(code(await running), 'TRANSACTION_ABORTED');
    assert.equal(code(reason), 'TRANSACTION_ABORTED');
    assert.equal(story.orders.sessions.size, 0);
    assert.deepEqual(story.orders.rows, []);
  });

  test('a handler that is aborted is rolled back in its database before the stop is over', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const answer = story.delayRollbacks(orders);
    const sales = story.endpoint('sales', { resources: [orders] });
    sales.handle('Order', async () => {
      await orders.insert('order');
      await new Promise(() => undefined);
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(story.orders.sessions.size, 1);
    let isStopped = false;
    const stopping = sales.stop({ timeoutMs: 0 }).then(() => {
      isStopped = true;
    });
    await story.advance(0);
    assert.deepEqual([story.status('sales')?.messages, story.status('sales')?.inFlight], [1, 0], 'available at once');
    assert.equal(isStopped, false);
    answer.resolve();
    await stopping;
    assert.equal(story.orders.sessions.size, 0);
    assert.deepEqual([story.status('sales')?.messages, story.status('sales')?.inFlight], [1, 0]);
  });
});
