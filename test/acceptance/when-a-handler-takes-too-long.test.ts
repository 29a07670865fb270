import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import type { HandlerContext } from '../../src/pipeline/handler-context.ts';
import { EndpointStory, record, typed } from '../support/endpoint-story.ts';

const oneAttempt = { immediateRetries: 0, delayedRetries: 0 };

describe('when a handler takes longer than the transaction timeout', () => {
  test('its signal is aborted with the reason, its work is rolled back, and it counts as a failure', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { transactions: { timeoutMs: 60_000 }, recoverability: oneAttempt });
    let reason: unknown;
    sales.handle('Order', async (_order, context) => {
      await context.send('Bill', {}, { to: 'billing' });
      await new Promise((_resolve, reject) => {
        context.signal.addEventListener('abort', () => {
          reason = context.signal.reason;
          reject(context.signal.reason);
        });
      });
    });
    const timedOut = record(sales, 'timedOut');
    await sales.start();
    await story.put('sales', { headers: typed('Order') });
    await story.advance(59_999);
    assert.equal(timedOut.length, 0);
    await story.advance(1);
    assert.equal(timedOut[0]?.messageId, 'id-of-Order');
    assert.equal((reason as { code?: string }).code, 'TRANSACTION_TIMED_OUT');
    assert.equal((await story.onlyMessageIn('error')).headers[Header.exceptionType], 'TransactionTimedOut');
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    assert.equal(sales.describe().handlersRunning, 0);
  });

  test('one that ignores its signal keeps its place, and what it still does is refused or ignored', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', {
      concurrency: 1,
      transactions: { timeoutMs: 60_000 },
      recoverability: { immediateRetries: 1, delayedRetries: 0 },
    });
    const goOn = Promise.withResolvers<void>();
    let attempts = 0;
    let lateSend: unknown;
    let context: HandlerContext | undefined;
    sales.handle('Order', async (_order, own) => {
      attempts++;
      if (attempts > 1) return;
      context = own;
      await goOn.promise;
      lateSend = await own.send('Bill', {}, { to: 'billing' }).catch((error: unknown) => error);
    });
    await sales.start();
    await story.put('sales', { headers: typed('Order') });
    await story.advance(60_000);
    // The message is back in its queue, and nobody can take it: the only place is taken by a handler that does not end.
    assert.equal(attempts, 1);
    assert.equal(story.status('sales')?.messages, 1);
    assert.equal(sales.describe().handlersRunning, 1);
    assert.equal(context?.signal.aborted, true);
    goOn.resolve();
    await story.settle();
    assert.equal((lateSend as { code?: string }).code, 'TRANSACTION_ENDED');
    assert.equal(attempts, 2);
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });

  test('each attempt has its own time: the timer is for the one that began first', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', {
      concurrency: 8,
      transactions: { timeoutMs: 60_000 },
      recoverability: oneAttempt,
    });
    sales.handle('Order', () => new Promise(() => undefined));
    const timedOut = record(sales, 'timedOut');
    await sales.start();
    await story.put('sales', { headers: typed('Order', { [Header.messageId]: 'first' }) });
    await story.advance(20_000);
    await story.put('sales', { headers: typed('Order', { [Header.messageId]: 'second' }) });
    await story.advance(40_000);
    assert.deepEqual(
      timedOut.map(({ messageId }) => messageId),
      ['first'],
    );
    await story.advance(20_000);
    assert.deepEqual(
      timedOut.map(({ messageId }) => messageId),
      ['first', 'second'],
    );
    // The next begins long after the last: its timer counts from its own beginning.
    await story.advance(500_000);
    await story.put('sales', { headers: typed('Order', { [Header.messageId]: 'third' }) });
    await story.advance(59_999);
    assert.equal(timedOut.length, 2);
    await story.advance(1);
    assert.equal(timedOut.length, 3);
  });
});
