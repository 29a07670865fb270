import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as z from 'zod';
import { Endpoint } from '../endpoint/endpoint.ts';
import type { EndpointOptions } from '../endpoint/endpoint-options.ts';
import { defineCommand, defineEvent, defineMessage } from '../message/define-contract.ts';
import { PosthornError } from '../message/posthorn-error.ts';
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

describe('test bus: failures', () => {
  test('a failure before the handler keeps it from running, and the retry runs it', async () => {
    await using bus = await createTestBus({ endpoints: [sales, billing] });
    const fault = bus.failOnce({ at: 'beforeHandler', message: PlaceOrder });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.equal(fault.hasHappened, true);
    assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }]);
    assert.equal(bus.handled(PlaceOrder)[0]?.attempts, 2);
  });

  test('a failure before the commit undoes what the handler sent', async () => {
    let handlerRuns = 0;
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('sales', { ...options, recoverability: { immediateRetries: 0, delayedRetries: 0 } }).handle(
            PlaceOrder,
            async ({ orderId }, context) => {
              handlerRuns++;
              await context.publish(OrderPlaced, { orderId });
            },
          ),
      ],
    });
    bus.failOnce({ at: 'beforeCommit', error: new RangeError('asked for') });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.equal(handlerRuns, 1);
    assert.deepEqual(bus.published(OrderPlaced), []);
    assert.deepEqual(
      (await bus.failed(PlaceOrder)).map(({ exceptionType, exceptionMessage }) => [exceptionType, exceptionMessage]),
      [['RangeError', 'asked for']],
    );
  });

  test('a commit that the store refuses leaves nothing behind, is tried again, and counts as no failure of the handler', async () => {
    await using bus = await createTestBus({ endpoints: [sales, billing] });
    const fault = bus.failOnce({ at: 'atCommit', message: PlaceOrder });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.equal(fault.hasHappened, true);
    assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }]);
    assert.equal(bus.handled(PlaceOrder)[0]?.attempts, 1);
  });

  test('after a death that follows the commit, the message is not handled again and what was sent is there once', async () => {
    let handlerRuns = 0;
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          sales(options).use('incomingLogical', async (context, next) => {
            if (context.messageType === PlaceOrder.name) handlerRuns++;
            await next();
          }),
        billing,
      ],
    });
    const before = bus.endpoint('sales');
    const fault = bus.failOnce({ at: 'afterCommit', message: PlaceOrder, endpoint: 'sales' });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.equal(fault.hasHappened, true);
    assert.notEqual(bus.endpoint('sales'), before, 'the process that runs now is another one');
    assert.equal(handlerRuns, 1);
    assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }]);
    assert.deepEqual(bus.sent(BillOrder), [{ orderId: '1', amount: 12 }]);
    assert.deepEqual(bus.sent(OrderBilled), [{ orderId: '1' }]);
    assert.deepEqual(await bus.failed(), []);
  });

  test('each injected failure happens once, to a message that fits, in the order in which they were asked for', async () => {
    await using bus = await createTestBus({ endpoints: [sales, billing] });
    const elsewhere = bus.failOnce({ at: 'beforeHandler', message: PlaceOrder, endpoint: 'billing' });
    const first = bus.failOnce({ at: 'beforeHandler', message: 'Sales.PlaceOrder' });
    const second = bus.failOnce({ at: 'beforeCommit', message: PlaceOrder });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.deepEqual([elsewhere.hasHappened, first.hasHappened, second.hasHappened], [false, true, true]);
    assert.equal(bus.handled(PlaceOrder)[0]?.attempts, 3);
  });

  test('a commit chosen to fail is still to come when a step outside the handlers failed first', async () => {
    let failures = 0;
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('billing', { ...options, recoverability: { immediateRetries: 0, delayedRetries: 1 } })
            .use('incomingPhysical', async (_context, next) => {
              await next();
              if (failures++ === 0) throw new Error('after the handlers');
            })
            .handle(BillOrder, () => undefined),
      ],
    });
    const fault = bus.failOnce({ at: 'atCommit' });
    await bus.send(BillOrder, { orderId: '1', amount: 1 });
    await bus.quiet();
    assert.equal(fault.hasHappened, false);
    await bus.quiet({ throughDelays: true });
    assert.equal(fault.hasHappened, true);
    assert.equal(bus.handled(BillOrder).length, 1);
  });
});

describe('test bus: crashes', () => {
  test('a crash under a running handler: the message waits again, and is handled by the next process', async () => {
    const entered = Promise.withResolvers<void>();
    let handlerRuns = 0;
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('sales', options).handle(PlaceOrder, async ({ orderId }, context) => {
            await context.publish(OrderPlaced, { orderId });
            handlerRuns++;
            if (handlerRuns > 1) return;
            entered.resolve();
            await new Promise(() => undefined);
          }),
      ],
    });
    await bus.send(PlaceOrder, { orderId: '1' });
    await entered.promise;
    await bus.crash({ downForMs: 5_000 });
    await bus.quiet();
    assert.equal(handlerRuns, 2);
    assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }]);
    assert.equal(bus.handled(PlaceOrder).length, 1);
    assert.equal(bus.now().toISOString(), '2030-01-01T00:00:05.000Z');
  });

  test('a handler that kills the process each time ends in the error queue after three deaths, and its neighbours are handled', async () => {
    const deaths: string[] = [];
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('sales', { ...options, concurrency: 4 }).handle(PlaceOrder, async ({ orderId }) => {
            if (orderId !== 'killer') return;
            deaths.push(orderId);
            void bus.crash();
            await new Promise(() => undefined);
          }),
      ],
    });
    for (const orderId of ['1', '2', 'killer', '3', '4']) await bus.send(PlaceOrder, { orderId });
    await bus.quiet();
    assert.equal(deaths.length, 3);
    assert.deepEqual(
      (await bus.failed(PlaceOrder)).map(({ body, reason }) => [body.orderId, reason]),
      [['killer', 'ProcessDied']],
    );
    assert.deepEqual(
      bus
        .handled(PlaceOrder)
        .map(({ body }) => body.orderId)
        .sort(),
      ['1', '2', '3', '4'],
    );
  });

  test('no message is lost or handled twice over crashes at any time, whatever the seed', async () => {
    for (let seed = 1; seed <= 15; seed++) {
      await using bus = await createTestBus({ seed, endpoints: [sales, billing] });
      const accepted = new Set<string>();
      for (let index = 0; index < 30; index++) {
        const orderId = `order ${index}`;
        const sending = bus.send(PlaceOrder, { orderId }).then(() => accepted.add(orderId));
        if (index % 5 !== seed % 5) await sending;
        if (index % 7 === seed % 7) await bus.crash();
      }
      await bus.quiet();
      const published = bus.published(OrderPlaced).map(({ orderId }) => orderId);
      assert.equal(new Set(published).size, published.length, `seed ${seed}: none twice`);
      for (const orderId of accepted) assert.ok(published.includes(orderId), `seed ${seed}: '${orderId}' was accepted`);
      assert.equal(bus.sent(OrderBilled).length, published.length, `seed ${seed}`);
    }
  });

  test('a run repeats exactly with the same seed', async () => {
    const run = async (seed: number) => {
      await using bus = await createTestBus({ seed, endpoints: [sales, billing] });
      for (let index = 0; index < 20; index++) {
        void bus.send(PlaceOrder, { orderId: String(index) });
        if (index % 6 === 5) await bus.crash();
      }
      await bus.quiet();
      return bus.history().map(({ messageId, type, body }) => ({ messageId, type, body }));
    };
    assert.deepEqual(await run(3), await run(3));
    assert.notDeepEqual(await run(3), await run(4));
  });

  test('a restart in good order keeps messages, subscriptions and time', async () => {
    await using bus = await createTestBus({ endpoints: [sales, billing] });
    await bus.send(PlaceOrder, { orderId: '1' }, { delayMs: 1_000 });
    await bus.restart({ downForMs: 400 });
    await bus.advance(599);
    assert.equal(bus.handled(PlaceOrder).length, 0);
    await bus.advance(1);
    await bus.quiet();
    assert.equal(bus.handled(PlaceOrder).length, 1);
    assert.equal(bus.published(OrderPlaced).length, 1);
  });

  test('a bus that was disposed of says so', async () => {
    const bus = await createTestBus();
    await bus.dispose();
    await bus.dispose();
    await assert.rejects(bus.send('Greet', {}, { to: 'nobody' }), hasCode('TEST_BUS_DISPOSED'));
  });

  test('an endpoint that is added later, or that does not start, is told like any other', async () => {
    await using bus = await createTestBus();
    await bus.add(billing);
    await bus.send(BillOrder, { orderId: '1', amount: 1 });
    await bus.crash();
    await bus.quiet();
    assert.equal(bus.handled(BillOrder).length, 1);
    assert.throws(() => bus.endpoint('sales'), hasCode('NO_SUCH_TEST_ENDPOINT'));
    await assert.rejects(
      createTestBus({ endpoints: [(options) => new Endpoint('not/a/name', options)] }),
      hasCode('INVALID_ADDRESS'),
    );
  });
});
