import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import type { TransactionContext } from '../../src/pipeline/transaction-context.ts';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';

const oneAttempt = { immediateRetries: 0, delayedRetries: 0 };
const code = (error: unknown): unknown => (error as { code?: string }).code;
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'did not fail',
    (error) => error,
  );

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

describe('when a transaction is run inside another', () => {
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
    const late = story.endpoint('late', { resources: [orders] });
    late.handle('Order', () => late.transaction(() => orders.insert('late')));
    sales.handle('Order', async () => {
      await orders.insert('sales');
      await late.start();
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    await late.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(story.orders.rows, ['sales', 'late']);
  });
});

describe('when an endpoint stops during a transaction', () => {
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
    const sales = story.endpoint('sales', { resources: [orders] });
    sales.handle('Order', async () => {
      await orders.insert('order');
      await new Promise(() => undefined);
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(story.orders.sessions.size, 1);
    const stopping = sales.stop({ timeoutMs: 0 });
    await story.advance(0);
    await stopping;
    assert.equal(story.orders.sessions.size, 0);
    assert.deepEqual([story.status('sales')?.messages, story.status('sales')?.inFlight], [1, 0]);
  });
});
