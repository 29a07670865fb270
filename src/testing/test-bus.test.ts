import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as z from 'zod';
import { Endpoint } from '../endpoint/endpoint.ts';
import type { EndpointOptions } from '../endpoint/endpoint-options.ts';
import { defineCommand, defineEvent, defineMessage } from '../message/define-contract.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { publisher } from '../routing/publisher.ts';
import { route } from '../routing/route.ts';
import { createTestBus } from './test-bus.ts';

const PlaceOrder = defineCommand('Sales.PlaceOrder', z.object({ orderId: z.string() }));
const OrderPlaced = defineEvent<{ orderId: string }>('Sales.OrderPlaced');
const BillOrder = defineCommand<{ orderId: string; amount: number }>('Billing.BillOrder');
const OrderBilled = defineMessage<{ orderId: string }>('Billing.OrderBilled');

/** Sales publishes an event and sends a command to billing, which answers. */
function sales(options: EndpointOptions): Endpoint {
  return new Endpoint('sales', { ...options, routes: [route(BillOrder, 'billing')] })
    .handle(PlaceOrder, async ({ orderId }, context) => {
      await context.publish(OrderPlaced, { orderId });
      await context.send(BillOrder, { orderId, amount: 12 });
    })
    .handle(OrderBilled, () => undefined);
}

function billing(options: EndpointOptions): Endpoint {
  return new Endpoint('billing', options).handle(BillOrder, async ({ orderId }, context) => {
    await context.reply(OrderBilled, { orderId });
  });
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PosthornError && error.code === code;
}

describe('test bus: spies', () => {
  test('a test sees what its endpoints sent, published, replied and handled, typed by their contracts', async () => {
    await using bus = await createTestBus({ endpoints: [sales, billing] });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.send(PlaceOrder, { orderId: '2' });
    await bus.quiet();
    const billed: { orderId: string; amount: number }[] = bus.sent(BillOrder);
    assert.deepEqual(billed, [
      { orderId: '1', amount: 12 },
      { orderId: '2', amount: 12 },
    ]);
    assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }, { orderId: '2' }]);
    assert.deepEqual(bus.sent(OrderBilled), [{ orderId: '1' }, { orderId: '2' }]);
    assert.deepEqual(
      bus.handled(PlaceOrder).map(({ body, endpoint, attempts }) => ({ ...body, endpoint, attempts })),
      [
        { orderId: '1', endpoint: 'sales', attempts: 1 },
        { orderId: '2', endpoint: 'sales', attempts: 1 },
      ],
    );
    assert.equal(bus.handled().length, 6);
    assert.deepEqual(await bus.failed(), []);
  });

  test('what the test itself sends is in the history, and not among what endpoints sent', async () => {
    await using bus = await createTestBus({ endpoints: [billing] });
    await bus.send(BillOrder, { orderId: '1', amount: 5 });
    await bus.publish(OrderPlaced, { orderId: '1' });
    await bus.quiet();
    assert.deepEqual(bus.sent(BillOrder), []);
    assert.deepEqual(bus.published(OrderPlaced), []);
    assert.deepEqual(
      bus.history().map(({ type, intent, from, to }) => ({ type, intent, from, to })),
      [
        { type: 'Billing.BillOrder', intent: 'send', from: 'test', to: ['billing'] },
        { type: 'Sales.OrderPlaced', intent: 'publish', from: 'test', to: [] },
        { type: 'Billing.OrderBilled', intent: 'reply', from: 'billing', to: ['test'] },
      ],
    );
    assert.equal((await bus.messagesIn('test')).length, 1, 'replies to the test wait for it');
  });

  test('an event with several subscribers is published once, and handled by each', async () => {
    const subscriber = (name: string) => (options: EndpointOptions) =>
      new Endpoint(name, options).handle(OrderPlaced, () => undefined);
    await using bus = await createTestBus({ endpoints: [sales, billing, subscriber('mail'), subscriber('stock')] });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.equal(bus.published(OrderPlaced).length, 1);
    assert.deepEqual(bus.history().find(({ intent }) => intent === 'publish')?.to, ['mail', 'stock']);
    assert.deepEqual(
      bus
        .handled(OrderPlaced)
        .map(({ endpoint }) => endpoint)
        .sort(),
      ['mail', 'stock'],
    );
  });

  test('what goes to another machine is seen as sent to queue@machine, waits there, and quiet does not wait for it', async () => {
    const onAlpha = (options: EndpointOptions): Endpoint =>
      new Endpoint('sales', {
        ...options,
        routes: [route(BillOrder, 'billing@Beta')],
        publishers: [publisher(OrderBilled.name, 'billing@beta')],
        recoverability: { immediateRetries: 0, delayedRetries: 0, errorQueue: 'error@ops' },
      })
        .handle(PlaceOrder, async ({ orderId }, context) => {
          if (orderId === 'bad') throw new Error('no such order');
          await context.send(BillOrder, { orderId, amount: 12 });
          await context.send(BillOrder, { orderId, amount: 13 }, { delayMs: 60_000 });
        })
        .handle(OrderBilled.name, () => undefined);
    await using bus = await createTestBus({ endpoints: [onAlpha] });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.send(PlaceOrder, { orderId: 'bad' });
    await bus.quiet({ throughDelays: true });
    assert.deepEqual(
      bus.history().map(({ type, intent, to }) => [type, intent, to]),
      [
        ['', 'subscribe', ['billing@beta']],
        ['Sales.PlaceOrder', 'send', ['sales']],
        ['Sales.PlaceOrder', 'send', ['sales']],
        ['Billing.BillOrder', 'send', ['billing@beta']],
        ['Billing.BillOrder', 'send', ['billing@beta']],
      ],
    );
    assert.deepEqual(
      bus.sent(BillOrder).map(({ amount }) => amount),
      [12, 13],
    );
    assert.deepEqual(
      (await bus.messagesIn('billing@BETA')).map(({ type }) => type),
      ['', 'Billing.BillOrder'],
    );
    assert.equal((await bus.messagesIn('billing@beta', 'delayed')).length, 1, 'its due time is no work of this bus');
    const [failed] = await bus.failed(PlaceOrder);
    assert.deepEqual([failed?.errorQueue, failed?.failedQueue], ['error@ops', 'sales@test']);
  });

  test('what a rolled back handler sent and published was not sent, and its retry sends it once', async () => {
    let attempts = 0;
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('sales', options).handle(PlaceOrder, async ({ orderId }, context) => {
            await context.publish(OrderPlaced, { orderId });
            attempts++;
            if (attempts < 3) throw new Error('not yet');
          }),
      ],
    });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.equal(attempts, 3);
    assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }]);
    assert.equal(bus.handled(PlaceOrder)[0]?.attempts, 3);
  });

  test('a message that failed is told with its reason, and can be seen in its queue', async () => {
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('sales', { ...options, recoverability: { immediateRetries: 1, delayedRetries: 0 } }).handle(
            PlaceOrder,
            () => {
              throw new RangeError('sold out');
            },
          ),
      ],
    });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    const [failed, ...others] = await bus.failed(PlaceOrder);
    assert.deepEqual(others, []);
    assert.equal(failed?.body.orderId, '1');
    assert.equal(failed?.reason, 'HandlerFailed');
    assert.equal(failed?.exceptionType, 'RangeError');
    assert.equal(failed?.exceptionMessage, 'sold out');
    assert.equal(failed?.failedQueue, 'sales@test');
    assert.equal(failed?.attempts, 2);
    assert.deepEqual(
      (await bus.messagesIn('error')).map(({ body }) => body),
      [{ orderId: '1' }],
    );
    assert.deepEqual(await bus.messagesIn('no-such-queue'), []);
    assert.deepEqual(await bus.failed(BillOrder), []);
  });

  test('a command that nobody handles, or that several do, is sent only to whom the test names', async () => {
    const another = (options: EndpointOptions) => new Endpoint('another', options).handle(BillOrder, () => undefined);
    await using bus = await createTestBus({ endpoints: [billing, another] });
    await assert.rejects(bus.send(BillOrder, { orderId: '1', amount: 1 }), hasCode('NO_SUCH_TEST_ENDPOINT'));
    await assert.rejects(bus.send('Unknown', {}), hasCode('NO_SUCH_TEST_ENDPOINT'));
    await bus.send(BillOrder, { orderId: '1', amount: 1 }, { to: 'another' });
    await bus.quiet();
    assert.equal(bus.handled(BillOrder)[0]?.endpoint, 'another');
  });
});

describe('test bus: time', () => {
  test('delayed retries happen when the test lets their time pass, and not before', async () => {
    const attemptedAt: number[] = [];
    await using bus = await createTestBus({
      now: new Date('2026-01-01T12:00:00Z'),
      endpoints: [
        (options) =>
          new Endpoint('sales', { ...options, recoverability: { immediateRetries: 0, delayedRetries: 2 } }).handle(
            PlaceOrder,
            () => {
              attemptedAt.push(options.io?.clock.wallNowMs() ?? 0);
              throw new Error('still down');
            },
          ),
      ],
    });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.equal(attemptedAt.length, 1);
    await bus.advance(9_999);
    assert.equal(attemptedAt.length, 1);
    await bus.advance(1);
    assert.equal(attemptedAt.length, 2);
    await bus.quiet({ throughDelays: true });
    assert.deepEqual(
      attemptedAt.map((atMs) => atMs - (attemptedAt[0] ?? 0)),
      [0, 10_000, 30_000],
    );
    assert.equal(bus.now().toISOString(), '2026-01-01T12:00:30.000Z');
    assert.equal((await bus.failed()).length, 1);
  });

  test('quiet waits for handlers that wait for something real, without moving the clock', async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const running = Promise.withResolvers<void>();
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('sales', options).handle(PlaceOrder, async () => {
            running.resolve();
            await opened;
          }),
      ],
    });
    const before = bus.now();
    await bus.send(PlaceOrder, { orderId: '1' });
    const quiet = bus.quiet();
    await running.promise;
    open();
    await quiet;
    assert.equal(bus.handled(PlaceOrder).length, 1);
    assert.deepEqual(bus.now(), before);
  });

  test('a bus that does not come to rest says what is busy', async () => {
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('sales', { ...options, concurrency: 1 }).handle(PlaceOrder, (_order, context) => {
            return new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
          }),
      ],
    });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.send(PlaceOrder, { orderId: '2' });
    await assert.rejects(
      bus.quiet({ limitMs: 30 }),
      (error) =>
        hasCode('BUS_NOT_QUIET')(error) && /'sales' has 1 ready message; 1 handler runs/.test((error as Error).message),
    );
  });

  test('messages that go round in circles are told as what they are', async () => {
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('circle', options).handle('Again', async (_message, context) => {
            await context.sendLocal('Again', {});
          }),
      ],
    });
    await bus.send('Again', {});
    await assert.rejects(bus.quiet({ limitMs: 50 }), hasCode('BUS_NOT_QUIET'));
  });

  test('a jump of the wall clock hurries no delayed message', async () => {
    await using bus = await createTestBus({ endpoints: [billing] });
    await bus.send(BillOrder, { orderId: '1', amount: 1 }, { delayMs: 60_000 });
    bus.jumpWallClock(24 * 3_600_000);
    await bus.quiet();
    assert.equal(bus.handled().length, 0);
    assert.equal((await bus.messagesIn('billing', 'delayed')).length, 1);
    await bus.advance(60_000);
    assert.equal(bus.handled().length, 1);
  });
});
