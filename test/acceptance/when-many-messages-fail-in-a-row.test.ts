import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EndpointStory, record, typed } from '../support/endpoint-story.ts';

describe('when many messages fail in a row', () => {
  test('one is tried at a time, with a pause after each failure, until the first success', async () => {
    await using story = await EndpointStory.begin();
    let isBroken = true;
    let attempts = 0;
    let running = 0;
    let runningMax = 0;
    const sales = story.endpoint('sales', {
      concurrency: 8,
      recoverability: {
        immediateRetries: 0,
        delayedRetries: 0,
        rateLimit: { afterConsecutiveFailures: 10, pauseMs: 2_000 },
      },
    });
    sales.handle('Order', async () => {
      attempts++;
      running++;
      runningMax = Math.max(runningMax, running);
      await Promise.resolve();
      running--;
      if (isBroken) throw new Error('the database is away');
    });
    const began = record(sales, 'rateLimitBegan');
    const ended = record(sales, 'rateLimitEnded');
    for (let index = 0; index < 100; index++) await story.put('sales', { headers: typed('Order') });
    await sales.start();
    await story.settle();
    assert.equal(began.length, 1);
    assert.equal(began[0]?.consecutiveFailures, 10);
    assert.equal(sales.describe().isRateLimited, true);
    assert.ok(runningMax > 1);
    // Those that had already begun come to their end; from then on one attempt in two seconds.
    const before = attempts;
    assert.ok(before < 30, `${before} attempts`);
    runningMax = 0;
    await story.advance(20_000);
    assert.equal(attempts, before + 10);
    assert.equal(runningMax, 1);
    isBroken = false;
    await story.advance(2_000);
    assert.equal(ended.length, 1);
    assert.equal(sales.describe().isRateLimited, false);
    assert.equal(attempts, 100);
    assert.equal(story.status('sales')?.messages, 0);
  });

  test('failures that the filter does not count slow nothing down', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', {
      recoverability: {
        immediateRetries: 0,
        delayedRetries: 0,
        rateLimit: { afterConsecutiveFailures: 3, countsError: (error) => error.message !== 'bad order' },
      },
    });
    sales.handle('Order', () => {
      throw new Error('bad order');
    });
    const began = record(sales, 'rateLimitBegan');
    for (let index = 0; index < 20; index++) await story.put('sales', { headers: typed('Order') });
    await sales.start();
    await story.settle();
    assert.equal(story.status('error')?.messages, 20);
    assert.equal(began.length, 0);
  });
});
