import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvariantBroken } from '../../src/message/posthorn-error.ts';
import { OutcomeUnknown, StoreFull } from '../../src/store/errors.ts';
import type { Unit } from '../../src/store/store.ts';
import { EndpointStory, record, typed } from '../support/endpoint-story.ts';

function puts(unit: Unit): boolean {
  return unit.operations.some(({ kind }) => kind === 'put');
}

describe('when the store fails an endpoint', () => {
  test('a commit that a full disk refuses is not the message’s fault: it is tried again later, uncounted', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    const numbers: number[] = [];
    sales.handle('Order', async (_order, context) => {
      numbers.push(context.attempt.total);
      await context.send('Bill', {}, { to: 'billing' });
    });
    await story.manager.declareQueue('billing');
    await story.put('sales', { headers: typed('Order') });
    let isFull = true;
    story.onCommit = (unit, commit) => (isFull && puts(unit) ? Promise.reject(new StoreFull(0)) : commit());
    await sales.start();
    await story.settle();
    await story.advance(3_000);
    assert.ok(numbers.length >= 3, `${numbers.length} tries`);
    isFull = false;
    await story.advance(5_000);
    assert.deepEqual([...new Set(numbers)], [1]);
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });

  test('when the error queue cannot be written, the message stays locked and is moved as soon as it can be', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    let attempts = 0;
    sales.handle('Order', () => {
      attempts++;
      throw new Error('boom');
    });
    const moved = record(sales, 'movedToErrorQueue');
    const critical = record(sales, 'criticalError');
    await story.put('sales', { headers: typed('Order') });
    let isFull = true;
    story.onCommit = (unit, commit) => (isFull && puts(unit) ? Promise.reject(new StoreFull(0)) : commit());
    await sales.start();
    await story.settle();
    await story.advance(25_000);
    assert.equal(attempts, 1);
    assert.equal(story.status('sales')?.inFlight, 1);
    assert.equal(critical.length, 0);
    isFull = false;
    await story.advance(5_000);
    assert.equal(moved.length, 1);
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal(attempts, 1);
  });

  test('30 seconds of failing to recover are a critical error, told once, and it goes on trying', async () => {
    await using story = await EndpointStory.begin();
    const told: string[] = [];
    const sales = story.endpoint('sales', {
      recoverability: { immediateRetries: 0, delayedRetries: 0 },
      onCriticalError: ({ what, error, failures, failingForMs }) => {
        told.push(what);
        assert.equal((error as { code?: string }).code, 'STORE_FULL');
        assert.ok(failures >= 3);
        assert.ok(failingForMs >= 30_000);
        throw new Error('the action itself fails, which hurts nobody');
      },
    });
    sales.handle('Order', () => {
      throw new Error('boom');
    });
    const critical = record(sales, 'criticalError');
    await story.put('sales', { headers: typed('Order') });
    let isFull = true;
    story.onCommit = (unit, commit) => (isFull && puts(unit) ? Promise.reject(new StoreFull(0)) : commit());
    await sales.start();
    await story.settle();
    await story.advance(120_000);
    assert.deepEqual(told, ['recover failed messages (moveToErrorQueue)']);
    assert.equal(critical.length, 1);
    isFull = false;
    await story.advance(10_000);
    await story.onlyMessageIn('error');
  });

  test('a commit whose answer is lost is in doubt: not rolled back, not retried, the message stays locked', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    let attempts = 0;
    sales.handle('Order', () => {
      attempts++;
    });
    const inDoubt = record(sales, 'outcomeUnknown');
    await story.put('sales', { headers: typed('Order') });
    story.onCommit = (unit, commit) =>
      unit.operations.some(({ kind }) => kind === 'remove')
        ? Promise.reject(new OutcomeUnknown('the answer was lost'))
        : commit();
    await sales.start();
    await story.settle();
    await story.advance(60_000);
    assert.equal(attempts, 1);
    assert.equal(inDoubt[0]?.messageId, 'id-of-Order');
    assert.equal(story.status('sales')?.inFlight, 1);
    assert.equal(story.status('error')?.messages ?? 0, 0);
    assert.equal(sales.describe().handlersRunning, 0);
  });

  test('an answer that is lost while the message is recovered leaves it locked too', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    let attempts = 0;
    sales.handle('Order', () => {
      attempts++;
      throw new Error('boom');
    });
    const inDoubt = record(sales, 'outcomeUnknown');
    await story.put('sales', { headers: typed('Order') });
    story.onCommit = (unit, commit) =>
      puts(unit) ? Promise.reject(new OutcomeUnknown('the answer was lost')) : commit();
    await sales.start();
    await story.settle();
    await story.advance(60_000);
    assert.equal(attempts, 1);
    assert.equal(inDoubt.length, 1);
    assert.equal(story.status('sales')?.inFlight, 1);
  });

  test('a handler that meets somebody else’s unknown outcome has failed like any other', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 1, delayedRetries: 0 } });
    let attempts = 0;
    sales.handle('Order', () => {
      attempts++;
      throw new OutcomeUnknown('of a send through another endpoint');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(attempts, 2);
    await story.onlyMessageIn('error');
  });

  test('a broken invariant stops the endpoint, and its message is not touched', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    let attempts = 0;
    sales.handle('Order', () => {
      attempts++;
      throw new InvariantBroken('two and two are four');
    });
    const critical = record(sales, 'criticalError');
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    await story.advance(60_000);
    assert.equal(attempts, 1);
    assert.equal(critical.length, 1);
    assert.equal(sales.state, 'stopped');
    assert.equal(story.status('sales')?.messages, 1);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });
});
