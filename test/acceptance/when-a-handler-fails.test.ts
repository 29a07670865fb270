import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { UnrecoverableError } from '../../src/recoverability/errors.ts';
import { EndpointStory, record, typed } from '../support/endpoint-story.ts';

describe('when a handler fails', () => {
  test('the message is tried 6 times at once and again after 10, 20 and 30 seconds, then it is in the error queue', async () => {
    await using story = await EndpointStory.begin();
    const attempts: string[] = [];
    const sales = story.endpoint('sales');
    sales.handle('Fail', (_message, { attempt }) => {
      attempts.push(`${attempt.delayed}.${attempt.immediate} (${attempt.total})`);
      throw new Error('boom');
    });
    const delays = record(sales, 'delayedRetry').map(({ delayMs }) => delayMs);
    sales.on('delayedRetry', ({ delayMs }) => delays.push(delayMs));
    await sales.start();
    await sales.sendLocal('Fail', {});
    await story.settle();
    assert.equal(attempts.length, 6);
    await story.advance(9_999);
    assert.equal(attempts.length, 6);
    await story.advance(1);
    assert.equal(attempts.length, 12);
    await story.advance(20_000);
    assert.equal(attempts.length, 18);
    await story.advance(30_000);
    assert.equal(attempts.length, 24);
    assert.deepEqual(delays, [10_000, 20_000, 30_000]);
    assert.equal(attempts[0], '0.1 (1)');
    assert.equal(attempts[6], '1.1 (7)');
    assert.equal(attempts[23], '3.6 (24)');
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal(story.status('sales')?.delayed, 0);
    await story.onlyMessageIn('error');
  });

  test('fault 79: a message that always throws ends in the error queue after 24 attempts, counted right across restarts', async () => {
    await using story = await EndpointStory.begin();
    let attempts = 0;
    const startSales = async (): Promise<void> => {
      const sales = story.endpoint('sales', { concurrency: 1 });
      sales.handle('Fail', () => {
        attempts++;
        throw new Error('boom');
      });
      await sales.start();
    };
    await startSales();
    await story.put('sales', { headers: typed('Fail') });
    for (let elapsedMs = 0; elapsedMs < 70_000; elapsedMs += 5_000) {
      await story.advance(5_000);
      await story.restart();
      await startSales();
    }
    await story.settle();
    assert.equal(attempts, 24);
    assert.equal((await story.onlyMessageIn('error')).headers[Header.attempts], '24');
  });

  test('fault 79: attempts of a round that a restart cuts in two are counted together', async () => {
    await using story = await EndpointStory.begin();
    let attempts = 0;
    const startSales = async (): Promise<void> => {
      const sales = story.endpoint('sales', { recoverability: { immediateRetries: 5, delayedRetries: 0 } });
      sales.handle('Fail', () => {
        attempts++;
        throw new Error('boom');
      });
      sales.on('immediateRetry', ({ failedAttempts }) => {
        if (failedAttempts === 3) void sales.stop();
      });
      await sales.start();
    };
    await story.put('sales', { headers: typed('Fail') });
    await startSales();
    await story.settle();
    assert.equal(attempts, 3);
    await story.restart();
    await startSales();
    await story.settle();
    assert.equal(attempts, 6);
    assert.equal((await story.onlyMessageIn('error')).headers[Header.attempts], '6');
  });

  test('the copy in the error queue has the original bytes, its own id, and headers that tell the failure in NServiceBus’ words', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 1, delayedRetries: 1 } });
    class CardDeclinedError extends Error {
      readonly code = 'card_declined';
      readonly apiToken = 'canary';
    }
    sales.handle('Pay', () => {
      throw new CardDeclinedError('The card was declined', { cause: new RangeError('over the limit') });
    });
    const moved = record(sales, 'movedToErrorQueue');
    await sales.start();
    const body = '{ "spaces" :  "kept" }';
    await story.put('sales', {
      headers: typed('Pay', { 'My.Header': 'kept', [Header.timeToBeReceived]: '00:10:00' }),
      body,
    });
    await story.settle();
    await story.advance(10_000);
    const { headers, body: failedBody } = await story.onlyMessageIn('error');
    assert.equal(failedBody.toString(), body);
    assert.equal(headers[Header.messageId], 'id-of-Pay');
    assert.equal(headers['My.Header'], 'kept');
    assert.equal(headers[Header.failedQueue], 'sales@alpha');
    assert.match(headers[Header.timeOfFailure] ?? '', /^2030-01-01 00:00:10:\d{6} Z$/);
    assert.equal(headers[Header.exceptionType], 'CardDeclinedError');
    assert.equal(headers[Header.innerExceptionType], 'RangeError');
    assert.equal(headers[Header.exceptionMessage], 'The card was declined');
    assert.match(
      headers[Header.exceptionStackTrace] ?? '',
      /when-a-handler-fails.*\nCaused by: RangeError: over the limit/s,
    );
    assert.match(headers[Header.exceptionSource] ?? '', /when-a-handler-fails/);
    assert.equal(headers[`${Header.exceptionData}code`], 'card_declined');
    assert.equal(headers[Header.processingEndpoint], 'sales');
    assert.equal(headers[Header.processingMachine], 'alpha');
    assert.equal(headers[Header.hostDisplayName], 'alpha');
    assert.match(headers[Header.hostId] ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(headers[Header.failureReason], 'HandlerFailed');
    assert.equal(headers[Header.attempts], '4');
    // What would make it expire, or come back with its retries used up, is gone; and no secret came along.
    assert.equal(headers[Header.delayedRetries], undefined);
    assert.equal(headers[Header.delayedRetriesTimestamp], undefined);
    assert.equal(headers[Header.timeToBeReceived], undefined);
    assert.doesNotMatch(JSON.stringify(headers), /canary/);
    assert.equal(moved[0]?.attempts, 4);
    assert.equal(moved[0]?.messageType, 'Pay');
  });

  test('an UnrecoverableError goes straight to the error queue', async () => {
    await using story = await EndpointStory.begin();
    let attempts = 0;
    const sales = story.endpoint('sales');
    sales.handle('Pay', () => {
      attempts++;
      throw new UnrecoverableError('no such customer');
    });
    await sales.start();
    await sales.sendLocal('Pay', {});
    await story.settle();
    assert.equal(attempts, 1);
    assert.equal((await story.onlyMessageIn('error')).headers[Header.attempts], '1');
  });

  test('what a failed attempt sent never leaves, and what the one that succeeds sends leaves once', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    sales.handle('Order', async (_order, context) => {
      await context.send('Bill', { attempt: context.attempt.immediate }, { to: 'billing' });
      if (context.attempt.immediate < 3) throw new Error('not yet');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal((await story.onlyMessageIn('billing')).body.toString(), '{"attempt":3}');
  });

  test('the message keeps its place: what came later is handled later, one at a time', async () => {
    await using story = await EndpointStory.begin();
    const handled: string[] = [];
    const sales = story.endpoint('sales', { concurrency: 1 });
    sales.handle('Order', (order: { name: string }, context) => {
      if (order.name === 'first' && context.attempt.immediate < 4) throw new Error('not yet');
      handled.push(order.name);
    });
    await story.put('sales', { headers: typed('Order'), body: '{"name":"first"}' });
    await story.put('sales', { headers: typed('Order'), body: '{"name":"second"}' });
    await sales.start();
    await story.settle();
    assert.deepEqual(handled, ['first', 'second']);
  });

  test('a rule gives one error its own retries, and one message type its own error queue', async () => {
    await using story = await EndpointStory.begin();
    const attempts = { Busy: 0, Other: 0 };
    const sales = story.endpoint('sales', {
      recoverability: {
        immediateRetries: 0,
        delayedRetries: 0,
        rules: [
          { whenMessage: 'Busy', whenError: 'BUSY', immediateRetries: 9, errorQueue: 'busy.error' },
          { whenMessage: 'Stale', discard: 'stale by now' },
        ],
      },
    });
    sales.handle('Busy', () => {
      attempts.Busy++;
      throw Object.assign(new Error('busy'), { code: 'BUSY' });
    });
    sales.handle('Other', () => {
      attempts.Other++;
      throw new Error('other');
    });
    sales.handle('Stale', () => {
      throw new Error('stale');
    });
    const discarded = record(sales, 'discarded');
    await sales.start();
    for (const type of ['Busy', 'Other', 'Stale']) await sales.sendLocal(type, {});
    await story.settle();
    assert.deepEqual(attempts, { Busy: 10, Other: 1 });
    assert.equal((await story.onlyMessageIn('busy.error')).headers[Header.enclosedMessageTypes], 'Busy');
    assert.equal((await story.onlyMessageIn('error')).headers[Header.enclosedMessageTypes], 'Other');
    assert.equal(discarded[0]?.reason, 'stale by now');
    assert.equal(story.status('sales')?.messages, 0);
  });

  test('a custom policy decides, and one that fails itself leaves the decision to the built-in one', async () => {
    await using story = await EndpointStory.begin();
    let attempts = 0;
    const sales = story.endpoint('sales', {
      recoverability: {
        delayedRetries: 0,
        policy: (failure) => {
          if (failure.messageType === 'Broken') throw new Error('the policy itself fails');
          return failure.failedAttempts < 3
            ? { kind: 'immediateRetry' }
            : { kind: 'discard', reason: 'three is enough' };
        },
      },
    });
    sales.handle('Fail', () => {
      attempts++;
      throw new Error('boom');
    });
    sales.handle('Broken', () => {
      throw new UnrecoverableError('boom');
    });
    const discarded = record(sales, 'discarded');
    await sales.start();
    await sales.sendLocal('Fail', {});
    await sales.sendLocal('Broken', {});
    await story.settle();
    assert.equal(attempts, 3);
    assert.equal(discarded[0]?.reason, 'three is enough');
    assert.equal((await story.onlyMessageIn('error')).headers[Header.enclosedMessageTypes], 'Broken');
  });

  test('what is thrown may be anything, also what is not an Error', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', {
      concurrency: 1,
      recoverability: { immediateRetries: 0, delayedRetries: 0 },
    });
    const strange: Record<string, unknown> = { Text: 'just text', Nothing: undefined, Object: { a: 1 } };
    for (const type of Object.keys(strange)) {
      sales.handle(type, () => {
        throw strange[type];
      });
    }
    await sales.start();
    for (const type of Object.keys(strange)) await sales.sendLocal(type, {});
    await story.settle();
    const failed = await story.messagesIn('error');
    assert.deepEqual(
      failed.map(({ headers }) => headers[Header.exceptionType]),
      ['NotAnError', 'NotAnError', 'NotAnError'],
    );
    assert.match(failed[0]?.headers[Header.exceptionMessage] ?? '', /"just text"/);
  });

  test('a message that is handled at last tells how many attempts it took', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 1, delayedRetries: 1 } });
    sales.handle('Order', (_order, context) => {
      if (context.attempt.total < 4) throw new Error('not yet');
    });
    const handled = record(sales, 'handled');
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    await story.advance(10_000);
    assert.equal(handled[0]?.attempts, 4);
    assert.equal(handled[0]?.messageType, 'Order');
  });

  test('rules and filters that throw themselves lose no message', async () => {
    await using story = await EndpointStory.begin();
    const broken = (): never => {
      throw new Error('the predicate fails');
    };
    const sales = story.endpoint('sales', {
      recoverability: {
        rules: [{ whenError: broken, immediateRetries: 9 }],
        rateLimit: { afterConsecutiveFailures: 5, countsError: broken },
      },
    });
    sales.handle('Fail', () => {
      throw new Error('boom');
    });
    await sales.start();
    await sales.sendLocal('Fail', {});
    await story.settle();
    assert.equal((await story.onlyMessageIn('error')).headers[Header.exceptionMessage], 'boom');
  });

  test('a listener that throws hurts nobody', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 1, delayedRetries: 0 } });
    sales.handle('Fail', () => {
      throw new Error('boom');
    });
    sales.on('immediateRetry', () => {
      throw new Error('the listener fails');
    });
    const moved = record(sales, 'movedToErrorQueue');
    await sales.start();
    await sales.sendLocal('Fail', {});
    await story.settle();
    assert.equal(moved.length, 1);
  });
});
