import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';
import { code, failure } from '../support/failure.ts';

const oneAttempt = { immediateRetries: 0, delayedRetries: 0 };

describe('when transactions are nested', () => {
  test('in a handler it joins the message’s, and its messages say which message they come from', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', {
      resources: [orders],
      recoverability: { immediateRetries: 1, delayedRetries: 0 },
    });
    const place = (row: string): Promise<string> =>
      sales.transaction(async (tx) => {
        await (await tx.resource(orders)).insert(row);
        await tx.send('Bill', {}, { to: 'billing' });
        return tx.id;
      });
    const ids: string[] = [];
    sales.handle('Order', async (_order, context) => {
      ids.push(await place(`attempt ${context.attempt.total}`));
      assert.deepEqual(story.orders.rows, [], 'it does not commit by itself');
      ids.push(await place('more'));
      if (context.attempt.total === 1) throw new Error('not today');
    });
    await sales.start();
    const { messageId } = await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(story.orders.rows, ['attempt 2', 'more']);
    assert.equal(new Set(ids).size, 2, 'one transaction for each attempt');
    const bills = await story.messagesIn('billing');
    assert.deepEqual(
      bills.map(({ headers }) => headers[Header.relatedTo]),
      [messageId, messageId],
    );
    assert.equal(story.orders.log.filter((request) => request === 'begin').length, 2);
  });

  test('when it fails nothing can commit any more, whoever catches its error', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: oneAttempt });
    const refused = new Error('credit refused');
    const placeAll = async (): Promise<void> => {
      await orders.insert('order');
      await failure(sales.transaction(() => Promise.reject(refused)));
    };
    sales.handle('Order', placeAll);
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    const failed = await story.onlyMessageIn('error');
    assert.equal(failed.headers[Header.exceptionType], 'NestedTransactionFailed');
    const error = await failure(sales.transaction(placeAll));
    assert.equal(code(error), 'NESTED_TRANSACTION_FAILED');
    assert.equal((error as Error).cause, refused);
    assert.deepEqual(story.orders.rows, []);
  });

  test('one that nobody awaited rolls everything back', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const web = story.endpoint('web', { resources: [orders] });
    await web.start();
    const goOn = Promise.withResolvers<void>();
    let inner: Promise<unknown> = Promise.resolve();
    const outer = await failure(
      web.transaction(async () => {
        await orders.insert('outer');
        inner = failure(
          web.transaction(async () => {
            await goOn.promise;
            await orders.insert('inner');
          }),
        );
      }),
    );
    assert.equal(code(outer), 'NESTED_TRANSACTION_OPEN');
    goOn.resolve();
    assert.equal(code(await inner), 'TRANSACTION_ENDED');
    assert.deepEqual(story.orders.rows, []);
  });

  test('one that is begun after the end of what is around it is refused, as everything there is by then', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    const billing = story.endpoint('billing');
    const over = Promise.withResolvers<void>();
    const late: Promise<unknown>[] = [];
    sales.handle('Order', () => {
      for (const endpoint of [sales, billing])
        late.push(over.promise.then(() => failure(endpoint.transaction(() => 1))));
    });
    await sales.start();
    await billing.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    over.resolve();
    assert.deepEqual((await Promise.all(late)).map(code), ['TRANSACTION_ENDED', 'TRANSACTION_ENDED']);
  });

  test('one of another endpoint is refused, because the two would not commit together', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: oneAttempt });
    const billing = story.endpoint('billing', { resources: [orders] });
    const errors: unknown[] = [];
    sales.handle('Order', async () => {
      errors.push(await failure(billing.transaction(() => orders.insert('bill'))));
      await orders.insert('order');
    });
    await sales.start();
    await billing.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(errors.map(code), ['TRANSACTION_ELSEWHERE']);
    assert.deepEqual(story.orders.rows, ['order']);
  });

  test('an endpoint that is started in a handler has nothing to do with its transaction', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    const late = story.endpoint('late');
    late.handle('Order', () => late.transaction((tx) => tx.send('Bill', {}, { to: 'billing' })));
    sales.handle('Order', async () => {
      await orders.insert('sales');
      await late.start();
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    await late.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(story.orders.rows, ['sales']);
    assert.equal(story.status('billing')?.messages, 1);
  });
});
