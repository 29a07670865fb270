import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import type { HandlerContext, ReplyType } from '../../src/pipeline/handler-context.ts';
import { DatabaseEndpointStory, type FakeDatabaseResource } from '../support/database-endpoint-story.ts';
import { record } from '../support/endpoint-story.ts';

const oneAttempt = { immediateRetries: 0, delayedRetries: 0 };
const twoAttempts = { immediateRetries: 1, delayedRetries: 0 };

describe('when a handler uses a database', () => {
  test('what it did there, what it sent and the message that it received commit together', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    const seen: string[] = [];
    sales.handle('Order', async (_order, context) => {
      const db = await context.resource(orders);
      await db.insert('order 1');
      await context.send('Bill', {}, { to: 'billing' });
      assert.equal(await context.resource(orders), db, 'one branch, one client');
      seen.push(`rows ${story.orders.rows.length}, bills ${story.status('billing')?.messages ?? 0}`);
    });
    const handled = record(sales, 'handled');
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(seen, ['rows 0, bills 0']);
    assert.deepEqual(story.orders.rows, ['order 1']);
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal(handled.length, 1);
  });

  test('an error rolls all of it back, and the message is tried again', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await (await context.resource(orders)).insert(`attempt ${context.attempt.total}`);
      await context.send('Bill', {}, { to: 'billing' });
      if (context.attempt.total === 1) throw new Error('not today');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(attempts, [1, 2]);
    assert.deepEqual(story.orders.rows, ['attempt 2']);
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(story.orders.sessions.size, 0);
  });

  test('it is tried again after the database has rolled back, so that a retry finds no locks of its own', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const answer = story.delayRollbacks(orders);
    const sales = story.endpoint('sales', { resources: [orders] });
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await orders.insert('order');
      if (context.attempt.total === 1) throw new Error('not today');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.advance(1_000);
    assert.deepEqual(attempts, [1]);
    answer.resolve();
    await story.settle();
    assert.deepEqual(attempts, [1, 2]);
  });

  test('several databases commit together with the message', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const [orders, stock] = [story.resource('orders'), story.resource('stock')];
    const sales = story.endpoint('sales', { resources: [orders, stock] });
    sales.handle('Order', async (_order, context) => {
      await (await context.resource(orders)).insert('order');
      await (await context.resource(stock)).insert('item');
      await context.send('Bill', {}, { to: 'billing' });
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual([story.orders.rows, story.stock.rows], [['order'], ['item']]);
    assert.equal(story.orders.prepared.size + story.stock.prepared.size, 0);
    assert.equal(story.status('billing')?.messages, 1);
  });

  test('a statement that failed dooms the transaction, even when the handler swallowed its error', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: oneAttempt });
    story.orders.fail('statement', 'refused');
    sales.handle('Order', async (_order, context) => {
      const db = await context.resource(orders);
      await db.insert('first').catch(() => undefined);
      await db.insert('second');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(story.orders.rows, []);
    const failed = await story.onlyMessageIn('error');
    assert.match(failed.headers[Header.exceptionMessage] ?? '', /statement was refused by the server/);
  });

  test('work that is still under way when the handler returns rolls back with its own error', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: oneAttempt });
    const answer = Promise.withResolvers<void>();
    const begin = orders.resourceManager.begin.bind(orders.resourceManager);
    orders.resourceManager.begin = async (request) => {
      await answer.promise;
      return begin(request);
    };
    sales.handle('Order', async (_order, context) => {
      await context.send('Bill', {}, { to: 'billing' });
      void context.resource(orders).catch(() => undefined);
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    answer.resolve(); // only now does the server answer
    await story.settle();
    const failed = await story.onlyMessageIn('error');
    assert.equal(failed.headers[Header.exceptionType], 'StatementStillRunning');
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    assert.equal(story.orders.sessions.size, 0);
  });

  test('a function three calls down joins the transaction without being handed anything', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: twoAttempts });
    const repository = { save: async (row: string) => orders.insert(row) };
    const place = async (row: string): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      await repository.save(row);
    };
    sales.handle('Order', async (_order, context) => {
      await place(`attempt ${context.attempt.total}`);
      if (context.attempt.total === 1) throw new Error('not today');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(story.orders.rows, ['attempt 2']);
  });

  test('messages that are handled at the same time have transactions of their own', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], concurrency: 3, recoverability: oneAttempt });
    sales.handle('Order', async ({ number }: { number: number }) => {
      await orders.insert(`begin ${number}`);
      await new Promise((resolve) => setImmediate(resolve));
      await orders.insert(`end ${number}`);
      if (number === 2) throw new Error('this one fails');
    });
    await sales.start();
    for (const number of [1, 2, 3]) await sales.sendLocal('Order', { number });
    await story.settle();
    assert.deepEqual(story.orders.rows.toSorted(), ['begin 1', 'begin 3', 'end 1', 'end 3']);
  });

  test('behaviors work in the transaction too, before and after the handlers', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    sales.use('incomingPhysical', async (context, next) => {
      await (await context.resource(orders)).insert('before');
      await next();
      await orders.insert('after');
    });
    sales.handle('Order', () => orders.insert('handler'));
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(story.orders.rows, ['before', 'handler', 'after']);
    assert.equal(story.orders.log.filter((request) => request === 'commitWithMarker').length, 1);
  });

  test('after the handler’s end its transaction takes nothing more; outside of any there is none to join', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    const committed = Promise.withResolvers<void>();
    const late: Promise<unknown>[] = [];
    sales.handle('Order', async (_order, context) => {
      await orders.insert('in time');
      const after = async (work: () => Promise<unknown>): Promise<unknown> => {
        await committed.promise;
        return work().catch((error: unknown) => error);
      };
      late.push(after(() => orders.insert('late')));
      late.push(after(() => context.resource(orders)));
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    committed.resolve();
    for (const error of await Promise.all(late)) assert.equal((error as { code?: string }).code, 'TRANSACTION_ENDED');
    await assert.rejects(orders.insert('alone'), { code: 'NO_TRANSACTION' });
    assert.deepEqual(story.orders.rows, ['in time']);
  });

  test('a handler that only reads writes no marker row, and the database’s branch ends before the message is gone', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders] });
    sales.handle('Order', async (_order, context) => void (await (await context.resource(orders)).read()));
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(
      story.orders.log.filter((request) => /^(begin|commit|prepare|statement)/.test(request)),
      ['begin', 'statement', 'commitReadOnly'],
    );
    assert.equal(story.status('sales')?.messages, 0);
  });

  test('mode distributed without a database is one local unit', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const sales = story.endpoint('sales', { transactions: { mode: 'distributed' }, recoverability: twoAttempts });
    sales.handle('Order', async (_order, context) => {
      await context.send('Bill', {}, { to: 'billing' });
      if (context.attempt.total === 1) throw new Error('not today');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(story.status('sales')?.messages, 0);
  });

  test('a database that the endpoint does not list fails the message', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const [orders, stock] = [story.resource('orders'), story.resource('stock')];
    const errors: unknown[] = [];
    const tries = async (context: HandlerContext<ReplyType, FakeDatabaseResource<'stock'>>): Promise<void> => {
      await context.resource(stock).catch((error: unknown) => errors.push(error));
    };
    // As programs in JavaScript may do it.
    const handler = (_order: unknown, context: HandlerContext) =>
      tries(context as unknown as Parameters<typeof tries>[0]);
    const sales = story.endpoint('sales', { resources: [orders] }).handle('Order', handler);
    const plain = story.endpoint('plain').handle('Order', handler);
    await sales.start();
    await plain.start();
    await sales.sendLocal('Order', {});
    await plain.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(
      errors.map((error) => (error as Error).message.replace(/ Add it.*/, '')),
      [
        "Endpoint 'sales' does not list the resource 'stock'; it lists orders.",
        "Endpoint 'plain' does not list the resource 'stock'; it lists none.",
      ],
    );
  });
});
