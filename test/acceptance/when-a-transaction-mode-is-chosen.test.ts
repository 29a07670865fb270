import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import type { TransactionMode } from '../../src/pipeline/message-transaction.ts';
import { StoreFull } from '../../src/store/errors.ts';
import { EndpointStory, record, typed } from '../support/endpoint-story.ts';

/** An endpoint whose handler sends and then fails as often as it is told. */
async function startSales(story: EndpointStory, mode: TransactionMode, failures: number) {
  const sales = story.endpoint('sales', {
    transactions: { mode },
    ...(mode !== 'none' && { recoverability: { immediateRetries: 5, delayedRetries: 0 } }),
  });
  const counts = { attempts: 0 };
  sales.handle('Order', async (_order, context) => {
    counts.attempts++;
    await context.send('Bill', {}, { to: 'billing' });
    if (counts.attempts <= failures) throw new Error('boom');
  });
  await sales.start();
  return { sales, counts };
}

describe('when a transaction mode is chosen', () => {
  for (const mode of ['receiveOnly', 'sendsAtomicWithReceive'] as const) {
    test(`${mode}: a failed attempt leaves no sends, and the message is tried again`, async () => {
      await using story = await EndpointStory.begin();
      const { sales, counts } = await startSales(story, mode, 2);
      await sales.sendLocal('Order', {});
      await story.settle();
      assert.equal(counts.attempts, 3);
      assert.equal(story.status('billing')?.messages, 1);
      assert.equal(story.status('sales')?.messages, 0);
      assert.equal(sales.describe().mode, mode);
    });
  }

  test('none: the message is gone before its handler runs, sends leave at once, and a failed one is forwarded once', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { transactions: { mode: 'none' } });
    let seenInQueue = -1;
    let seenBills = -1;
    sales.handle('Order', async (_order, context) => {
      await context.send('Bill', {}, { to: 'billing' });
      seenInQueue = story.status('sales')?.messages ?? -1;
      seenBills = story.status('billing')?.messages ?? -1;
      throw new Error('boom');
    });
    const retries = [...record(sales, 'immediateRetry'), ...record(sales, 'delayedRetry')];
    await sales.start();
    await story.put('sales', { headers: typed('Order'), body: '{ "as": "it is" }' });
    await story.settle();
    assert.equal(seenInQueue, 0);
    assert.equal(seenBills, 1);
    const { headers, body } = await story.onlyMessageIn('error');
    assert.equal(headers[Header.attempts], '1');
    assert.equal(body.toString(), '{ "as": "it is" }');
    assert.equal(retries.length, 0);
  });

  test('none: a crash under the handler loses the message; every other mode handles it again', async () => {
    for (const [mode, attemptsExpected] of [
      ['none', 1],
      ['receiveOnly', 2],
      ['sendsAtomicWithReceive', 2],
    ] as const) {
      await using story = await EndpointStory.begin();
      let attempts = 0;
      const start = async (): Promise<void> => {
        const sales = story.endpoint('sales', { transactions: { mode } });
        sales.handle('Order', () => {
          attempts++;
          if (attempts === 1) return new Promise(() => undefined);
        });
        await sales.start();
      };
      await start();
      await story.put('sales', { headers: typed('Order') });
      await story.settle();
      await story.crash();
      await start();
      await story.settle();
      assert.equal(attempts, attemptsExpected, mode);
    }
  });

  test('receiveOnly: when the receive cannot be committed after the sends were, the sends are repeated', async () => {
    await using story = await EndpointStory.begin();
    let refusals = 0;
    story.onCommit = (unit, commit) => {
      const isReceive = unit.operations.some(({ kind }) => kind === 'remove') && unit.operations.length === 1;
      if (!isReceive || refusals++ > 0) return commit();
      return Promise.reject(new StoreFull(0));
    };
    const { counts } = await startSales(story, 'receiveOnly', 0);
    await story.put('sales', { headers: typed('Order') });
    await story.settle();
    await story.advance(10_000);
    assert.equal(counts.attempts, 2);
    assert.equal(story.status('billing')?.messages, 2);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });

  test('client role: mode none, no retries, and what waited is purged at the start', async () => {
    await using story = await EndpointStory.begin();
    for (const type of ['Order', 'Order', 'Order']) await story.put('sales', { headers: typed(type) });
    const sales = story.endpoint('sales', { role: 'client' });
    let attempts = 0;
    sales.handle('Order', () => {
      attempts++;
      throw new Error('boom');
    });
    await sales.start();
    await story.settle();
    assert.equal(attempts, 0);
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(attempts, 1);
    assert.equal(sales.describe().mode, 'none');
    assert.equal(sales.describe().attemptsMax, 1);
    assert.equal(story.status('error')?.messages, 1);
  });
});
