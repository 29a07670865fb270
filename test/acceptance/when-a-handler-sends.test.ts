import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as z from 'zod';
import { defineCommand, defineEvent, defineMessage } from '../../src/message/define-contract.ts';
import { Header } from '../../src/message/headers.ts';
import { isPosthornError } from '../../src/message/posthorn-error.ts';
import type { HandlerContext } from '../../src/pipeline/handler-context.ts';
import { route } from '../../src/routing/route.ts';
import { EndpointStory, record, typed } from '../support/endpoint-story.ts';

const PlaceOrder = defineCommand('Sales.PlaceOrder', z.object({ orderId: z.string() }));
const OrderPlaced = defineEvent('Sales.OrderPlaced', z.object({ orderId: z.string() }));
const OrderAccepted = defineMessage('Sales.OrderAccepted', z.object({ orderId: z.string() }));

describe('when a handler sends', () => {
  test('nothing is visible before its commit, everything after it', async () => {
    await using story = await EndpointStory.begin();
    const goOn = Promise.withResolvers<void>();
    const sales = story.endpoint('sales');
    sales.handle('Order', async (_order, context) => {
      await context.send('Bill', {}, { to: 'billing' });
      await context.sendLocal('Later', {}, { delayMs: 60_000 });
      await goOn.promise;
    });
    sales.handle('Later', () => undefined);
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    assert.equal(story.status('sales')?.delayed ?? 0, 0);
    goOn.resolve();
    await story.settle();
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(story.status('sales')?.delayed, 1);
  });

  test('what is dispatched now leaves at once, and stays sent when the handler fails', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    sales.handle('Order', async (_order, context) => {
      await context.send('Alarm', {}, { to: 'alarms', dispatch: 'now' });
      await context.send('Bill', {}, { to: 'billing' });
      throw new Error('boom');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(story.status('alarms')?.messages, 1);
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    assert.equal(story.status('error')?.messages, 1);
  });

  test('ids follow the exchange: a conversation, a correlation, and the message that each one comes from', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    sales.handle('Order', (_order, context) => context.send('Bill', {}, { to: 'billing' }));
    const billing = story.endpoint('billing');
    billing.handle('Bill', async (_bill, context) => {
      await context.send('Print', {}, { to: 'printer' });
      await context.reply('Billed', {});
    });
    const shop = story.endpoint('shop');
    await sales.start();
    await billing.start();
    await shop.start();
    const first = await shop.send('Order', {}, { to: 'sales' });
    await story.settle();
    const print = (await story.onlyMessageIn('printer')).headers;
    assert.equal(print[Header.conversationId], first.messageId);
    assert.equal(print[Header.correlationId], first.messageId);
    assert.notEqual(print[Header.relatedTo], first.messageId); // it comes from Bill, not from Order
    assert.equal(print[Header.originatingEndpoint], 'billing');
    assert.equal(print[Header.originatingMachine], 'alpha');
    assert.equal(print[Header.messageIntent], 'Send');
    assert.equal(print[Header.replyToAddress], 'billing@alpha');
    assert.equal(print[Header.contentType], 'application/json');
    assert.match(print[Header.timeSent] ?? '', /^2030-01-01 00:00:00:\d{6} Z$/);
    const billed = (await story.onlyMessageIn('error')).headers; // sales has no handler for the reply
    assert.equal(billed[Header.messageIntent], 'Reply');
    assert.equal(billed[Header.relatedTo], print[Header.relatedTo]);
    assert.equal(billed[Header.failedQueue], 'sales@alpha');
  });

  test('a reply goes to the sender’s queue, or where the sender asked for it', async () => {
    await using story = await EndpointStory.begin();
    const replies: string[] = [];
    const sales = story.endpoint('sales');
    sales.handle(PlaceOrder, (order, context) => context.reply(OrderAccepted, order));
    const shop = story.endpoint('shop', { routes: [route(PlaceOrder, 'sales')] });
    shop.handle(OrderAccepted, (accepted, context) => replies.push(`${accepted.orderId} ${context.correlationId}`));
    await sales.start();
    await shop.start();
    const sent = await shop.send(PlaceOrder, { orderId: '1' });
    await shop.send(PlaceOrder, { orderId: '2' }, { replyTo: 'desk' });
    await story.settle();
    assert.deepEqual(replies, [`1 ${sent.messageId}`]);
    assert.equal((await story.onlyMessageIn('desk')).headers[Header.enclosedMessageTypes], 'Sales.OrderAccepted');
  });

  test('a reply to a message that says no address fails with the mend', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    sales.handle('Ask', (_ask, context) => context.reply('Answer', {}));
    await sales.start();
    await story.put('sales', { headers: typed('Ask') });
    await story.settle();
    assert.match(
      (await story.onlyMessageIn('error')).headers[Header.exceptionMessage] ?? '',
      /does not say where replies go.*replyTo/,
    );
  });

  test('a forwarded message is the same message: id, headers and bytes; and it is handled here too', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    sales.handle('Order', (_order, context) => context.forward('archive'));
    const handled = record(sales, 'handled');
    await sales.start();
    await story.put('sales', { headers: typed('Order', { Tenant: '7' }), body: '{ "as": "it is" }' });
    await story.settle();
    const copy = await story.onlyMessageIn('archive');
    assert.equal(copy.headers[Header.messageId], 'id-of-Order');
    assert.equal(copy.headers.Tenant, '7');
    assert.equal(copy.body.toString(), '{ "as": "it is" }');
    assert.equal(handled.length, 1);
  });

  test('a deferred message comes again after its delay, with all its retries, and counts as handled now', async () => {
    await using story = await EndpointStory.begin();
    const seen: string[] = [];
    const sales = story.endpoint('sales');
    sales.handle('Order', async (_order, context) => {
      seen.push(`${context.messageId} ${context.attempt.total}`);
      if (seen.length === 1) throw new Error('not yet');
      if (seen.length === 2) await context.defer(30_000);
    });
    const handled = record(sales, 'handled');
    await sales.start();
    await story.put('sales', { headers: typed('Order') });
    await story.settle();
    assert.equal(handled.length, 1);
    await story.advance(29_999);
    assert.equal(seen.length, 2);
    await story.advance(1);
    assert.deepEqual(seen, ['id-of-Order 1', 'id-of-Order 2', 'id-of-Order 1']);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });

  for (const delayMs of [-5, Number.NaN, Number.POSITIVE_INFINITY, '1s', undefined]) {
    test(`a message is not deferred by ${delayMs} ms: the handler is told, and the message fails`, async () => {
      await using story = await EndpointStory.begin();
      const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
      let refusal: unknown;
      sales.handle('Order', async (_order, context) => {
        await context.defer(delayMs as number).catch((error: unknown) => {
          refusal = error;
          throw error;
        });
      });
      await sales.start();
      await sales.sendLocal('Order', {});
      await story.settle();
      assert.ok(isPosthornError(refusal, 'INVALID_OPTION'));
      assert.match(
        String(refusal),
        typeof delayMs === 'string' ? /'delayMs' is '1s'\./ : /'delayMs' is \S+\. Give milli/,
      );
      assert.equal((await story.messagesIn('error')).length, 1);
      assert.equal(story.status('sales')?.delayed, 0);
    });
  }

  test('a message is deferred once: the second time is refused, by whichever handler, and there is still one message', async () => {
    await using story = await EndpointStory.begin();
    const refusals: unknown[] = [];
    let runs = 0;
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 1, delayedRetries: 0 } });
    sales.handle('Swallowed', async (_order, context) => {
      if (runs++ > 0) return;
      await context.defer(10);
      await context.defer(20).catch((error: unknown) => refusals.push(error));
    });
    sales.handle('Told', (_order, context) => context.defer(10));
    sales.handle('Told', (_order, context) => context.defer(20));
    await sales.start();
    await sales.sendLocal('Swallowed', {});
    await sales.sendLocal('Told', {});
    await story.settle();
    assert.equal(refusals.length, 1);
    assert.ok(isPosthornError(refusals[0], 'ALREADY_DEFERRED'));
    const { headers } = await story.onlyMessageIn('error');
    assert.equal(headers['NServiceBus.ExceptionInfo.ExceptionType'], 'AlreadyDeferred');
    assert.equal(headers[Header.attempts], '2');
    await story.advance(100);
    assert.equal(runs, 2);
  });

  test('a message that could not be deferred may be deferred again: the first time made no copy', async () => {
    await using story = await EndpointStory.begin();
    await story.manager.declareQueue('sales', { quotaMessages: 1 });
    const refusals: unknown[] = [];
    const sales = story.endpoint('sales').handle('Order', async (_order, context) => {
      for (const delayMs of [10, 20]) await context.defer(delayMs).catch((error) => refusals.push(error.code));
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(refusals, ['QUEUE_FULL', 'QUEUE_FULL']);
  });

  test('a discarded message is consumed with its reason told', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { audit: { queue: 'audit' } });
    sales.handle('Order', (_order, context) => context.discard('a duplicate'));
    const discarded = record(sales, 'discarded');
    const handled = record(sales, 'handled');
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(discarded[0]?.reason, 'a duplicate');
    assert.equal(handled.length, 0);
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal(story.status('audit')?.messages ?? 0, 0);
  });

  test('an event reaches every subscriber, each with several handlers in one transaction, and no one else', async () => {
    await using story = await EndpointStory.begin();
    const heard: string[] = [];
    const billing = story.endpoint('billing');
    billing.handle(OrderPlaced, (event) => heard.push(`billing ${event.orderId}`));
    const shipping = story.endpoint('shipping');
    shipping.handle(OrderPlaced, (event) => heard.push(`shipping one ${event.orderId}`));
    shipping.handle(OrderPlaced, (event) => heard.push(`shipping two ${event.orderId}`));
    const bystander = story.endpoint('bystander');
    bystander.handle('Other', () => heard.push('bystander'));
    const sales = story.endpoint('sales');
    sales.handle(PlaceOrder, (order, context) => context.publish(OrderPlaced, order));
    for (const each of [billing, shipping, bystander, sales]) await each.start();
    await sales.sendLocal(PlaceOrder, { orderId: '1' });
    await story.settle();
    assert.deepEqual(heard.sort(), ['billing 1', 'shipping one 1', 'shipping two 1']);
  });

  test('a subscription outlives the subscriber’s process: what is published meanwhile waits for it', async () => {
    await using story = await EndpointStory.begin();
    const startBilling = async (): Promise<string[]> => {
      const heard: string[] = [];
      const billing = story.endpoint('billing');
      billing.handle(OrderPlaced, (event) => heard.push(event.orderId));
      await billing.start();
      return heard;
    };
    await startBilling();
    await story.restart();
    const sales = story.endpoint('sales');
    await sales.start();
    await sales.publish(OrderPlaced, { orderId: '1' });
    await story.settle();
    assert.equal(story.status('billing')?.messages, 1);
    const heard = await startBilling();
    await story.settle();
    assert.deepEqual(heard, ['1']);
  });

  test('an endpoint that unsubscribed hears no more, and publishing to nobody is no error', async () => {
    await using story = await EndpointStory.begin();
    const billing = story.endpoint('billing', { autoSubscribe: false });
    let heard = 0;
    billing.handle(OrderPlaced, () => heard++);
    await billing.start();
    await billing.publish(OrderPlaced, { orderId: '0' });
    await billing.subscribe(OrderPlaced);
    await billing.publish(OrderPlaced, { orderId: '1' });
    await story.settle();
    await billing.unsubscribe(OrderPlaced);
    await billing.publish(OrderPlaced, { orderId: '2' });
    await story.settle();
    assert.equal(heard, 1);
  });

  test('a body that does not fit its schema fails the send, and with it the handler', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    sales.handle('Start', (_start, context) => context.sendLocal(PlaceOrder, { orderId: 1 as unknown as string }));
    sales.handle(PlaceOrder, () => undefined);
    await sales.start();
    await sales.sendLocal('Start', {});
    await story.settle();
    const { headers } = await story.onlyMessageIn('error');
    assert.equal(headers[Header.failureReason], 'HandlerFailed');
    assert.match(
      headers[Header.exceptionMessage] ?? '',
      /body for 'Sales.PlaceOrder' was refused: it does not fit its schema: orderId/,
    );
  });

  test('what is sent after the handler ended is refused', async () => {
    await using story = await EndpointStory.begin();
    let kept: HandlerContext | undefined;
    const sales = story.endpoint('sales');
    sales.handle('Order', (_order, context) => {
      kept = context;
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    await assert.rejects(async () => kept?.send('Late', {}, { to: 'billing' }), { code: 'TRANSACTION_ENDED' });
    await assert.rejects(async () => kept?.send('Late', {}, { to: 'billing', dispatch: 'now' }), {
      code: 'TRANSACTION_ENDED',
    });
    await assert.rejects(async () => kept?.defer(1), { code: 'TRANSACTION_ENDED' });
    assert.equal(story.status('billing')?.messages ?? 0, 0);
  });

  test('a message that is handled is copied to the audit queue in the same transaction, with its own bytes', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', {
      audit: { queue: 'audit' },
      recoverability: { immediateRetries: 0, delayedRetries: 0 },
    });
    sales.handle('Order', () => undefined);
    sales.handle('Fail', () => {
      throw new Error('boom');
    });
    await sales.start();
    await story.put('sales', { headers: typed('Order', { Tenant: '7' }), body: '{ "as": "it is" }' });
    await story.put('sales', { headers: typed('Fail') });
    await story.settle();
    const { headers, body } = await story.onlyMessageIn('audit');
    assert.equal(body.toString(), '{ "as": "it is" }');
    assert.equal(headers[Header.messageId], 'id-of-Order');
    assert.equal(headers.Tenant, '7');
    assert.equal(headers[Header.processingEndpoint], 'sales');
    assert.ok(headers[Header.processingStarted]);
    assert.ok(headers[Header.processingEnded]);
  });
});
