import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import * as v from 'valibot';
import * as z from 'zod';
import { Endpoint } from '../../src/endpoint/endpoint.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { defineCommand } from '../../src/message/define-contract.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import { FAILURE_HEADER_BYTES_RESERVED, MESSAGE_HEADER_BYTES_MAX } from '../../src/message/limits.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';
import type { EndpointEvents } from '../../src/recoverability/notifications.ts';
import { route } from '../../src/routing/route.ts';
import { DATABASE_FILE } from '../../src/store/store-directory.ts';
import { EndpointStory, type RawMessage, record, type SeenMessage, typed } from '../support/endpoint-story.ts';

const PlaceOrder = defineCommand('Sales.PlaceOrder', z.object({ orderId: z.string() }));
const ShipOrder = defineCommand('Sales.ShipOrder', v.object({ weight: v.number() }));
const BillOrder = defineCommand('Billing.BillOrder');

/** Puts one message into the queue of an endpoint that handles all but it, and returns the copy in the error queue. */
async function failedCopyOf(
  message: RawMessage,
): Promise<{ copy: SeenMessage; story: EndpointStory; retries: number }> {
  const story = await EndpointStory.begin();
  const sales = story.endpoint('sales', { routes: [route(BillOrder, 'billing')] });
  let handled = 0;
  sales.handle(PlaceOrder, () => handled++);
  sales.handle(ShipOrder, () => handled++);
  const retries = [...record(sales, 'immediateRetry'), ...record(sales, 'delayedRetry')];
  await sales.start();
  await story.put('sales', message);
  await story.settle();
  assert.equal(handled, 0);
  assert.equal(story.status('sales')?.messages, 0);
  return { copy: await story.onlyMessageIn('error'), story, retries: retries.length };
}

describe('when a message cannot be handled', () => {
  const table: [circumstance: string, reason: string, message: RawMessage, text: RegExp][] = [
    [
      'its body is not JSON',
      'UndecodableBody',
      { headers: typed('Sales.PlaceOrder'), body: '{"orderId": "1"' },
      /cannot be read as 'application\/json': SyntaxError/,
    ],
    [
      'its body is not UTF-8',
      'UndecodableBody',
      { headers: typed('Sales.PlaceOrder'), body: Buffer.from([0x22, 0xff, 0xfe, 0x22]) },
      /cannot be read as 'application\/json'/,
    ],
    ['its body is empty', 'UndecodableBody', { headers: typed('Sales.PlaceOrder'), body: '' }, /cannot be read as/],
    [
      'nobody knows its content type',
      'UndecodableBody',
      { headers: typed('Sales.PlaceOrder', { [Header.contentType]: 'application/xml' }), body: '<order/>' },
      /'application\/xml': there is no serializer for it/,
    ],
    [
      'its type is unknown',
      'UnknownMessageType',
      { headers: typed('Sales.Unheard') },
      /Endpoint 'sales' does not know the message type 'Sales.Unheard'/,
    ],
    [
      'it says no type',
      'UnknownMessageType',
      { headers: { [Header.messageId]: 'id-of-none' } },
      /does not say its type/,
    ],
    [
      'its type names a prototype’s property',
      'UnknownMessageType',
      { headers: typed('__proto__') },
      /does not know the message type '__proto__'/,
    ],
    [
      'its type is known and has no handler',
      'NoHandler',
      { headers: typed('Billing.BillOrder') },
      /Endpoint 'sales' knows 'Billing.BillOrder' but has no handler/,
    ],
    [
      'it does not fit its schema (zod)',
      'SchemaInvalid',
      { headers: typed('Sales.PlaceOrder'), body: '{"orderId":1}' },
      /does not fit its schema: orderId: /,
    ],
    [
      'it does not fit its schema (valibot)',
      'SchemaInvalid',
      { headers: typed('Sales.ShipOrder'), body: '{"weight":"1 kg"}' },
      /does not fit its schema: weight: /,
    ],
  ];
  for (const [circumstance, reason, message, text] of table) {
    test(`${circumstance}: it goes to the error queue at once, as ${reason}, its bytes untouched`, async () => {
      const { copy, story, retries } = await failedCopyOf(message);
      await using _ = story;
      assert.equal(copy.headers[Header.failureReason], reason);
      assert.match(copy.headers[Header.exceptionMessage] ?? '', text);
      assert.deepEqual(copy.body, Buffer.from(message.body ?? '{}'));
      for (const [name, value] of Object.entries(message.headers ?? {})) assert.equal(copy.headers[name], value, name);
      assert.equal(copy.headers[Header.failedQueue], 'sales@alpha');
      assert.equal(copy.headers[Header.attempts], '1');
      assert.equal(retries, 0);
    });
  }

  const envelopes: [what: string, bytes: Buffer][] = [
    ['cut off', Buffer.from('{"NServiceBus.MessageId":"id-')],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x22, 0x22, 0x7d])],
    ['a list', Buffer.from('[]')],
    ['null', Buffer.from('null')],
    ['with a number in it', Buffer.from('{"NServiceBus.MessageId":17}')],
    ['empty', Buffer.from('')],
  ];
  for (const [what, headerBytes] of envelopes) {
    test(`its envelope cannot be read (${what}): the copy holds the header bytes in base64, the body untouched, and a new id`, async () => {
      const { copy, story } = await failedCopyOf({ headerBytes, body: 'anything at all' });
      await using _ = story;
      assert.equal(copy.headers[Header.failureReason], 'UndecodableEnvelope');
      assert.deepEqual(Buffer.from(copy.headers[Header.undecodableHeaders] ?? '', 'base64'), headerBytes);
      assert.equal(copy.body.toString(), 'anything at all');
      assert.match(copy.headers[Header.messageId] ?? '', /^[0-9a-f-]{36}$/);
      assert.equal(copy.headers[Header.failedQueue], 'sales@alpha');
      assert.equal(copy.headers[Header.exceptionType], 'UndecodableEnvelope');
    });
  }

  test('its stored bytes are damaged: it goes to the error queue as DamagedMessage, named as far as it can be read', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-damaged-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const before = await QueueManager.open({ directory, machine: 'alpha' });
    const headers = headersOf(typed('Sales.PlaceOrder'));
    await before.send([{ destination: { queue: 'sales' }, headers, body: Buffer.from('{"orderId":"1"}') }]);
    await before.close();
    const database = new DatabaseSync(join(directory, DATABASE_FILE));
    database.exec(`UPDATE message SET body = CAST('{"orderId":"2"}' AS BLOB)`);
    database.close();
    await using manager = await QueueManager.open({ directory, machine: 'alpha' });
    await using sales = new Endpoint('sales', { queueManager: manager, logger: silentLogger });
    let handled = 0;
    sales.handle(PlaceOrder, () => handled++);
    const moved = new Promise<EndpointEvents['movedToErrorQueue']>((resolve) => sales.on('movedToErrorQueue', resolve));
    await sales.start();
    const { reason, messageId } = await moved;
    assert.equal(reason, 'DamagedMessage');
    assert.equal(messageId, 'id-of-Sales.PlaceOrder');
    assert.equal(handled, 0);
    const page = await manager.browse({ queue: 'error', countMax: 10, withBodies: true });
    assert.equal(Buffer.from(page.messages[0]?.body ?? []).toString(), '{"orderId":"2"}');
    assert.equal(page.messages[0]?.headers?.[Header.failureReason], 'DamagedMessage');
  });

  test('the first known of several enclosed types decides, and a .NET name is known by what stands before the comma', async () => {
    await using story = await EndpointStory.begin();
    const handled: string[] = [];
    const sales = story.endpoint('sales', { concurrency: 1 });
    sales.handle('Sales.BigOrder', (_message, context) => handled.push(context.messageType));
    sales.handle('Sales.Order', (_message, context) => handled.push(context.messageType));
    await sales.start();
    const dotNet = 'Sales.VeryBigOrder, Sales, Version=1.0.0.0; Sales.Order, Sales, Version=1.0.0.0, Culture=neutral';
    await story.put('sales', { headers: typed('Sales.Unheard;Sales.BigOrder;Sales.Order') });
    await story.put('sales', { headers: typed(dotNet) });
    await story.settle();
    assert.deepEqual(handled, ['Sales.BigOrder', 'Sales.Order']);
  });

  test('a message whose headers are as large as allowed still gets into the error queue', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 1 } });
    sales.handle('Fail', () => {
      const error = new Error('\u0001'.repeat(20_000));
      error.stack = `Error: x\n${'\u0001'.repeat(100_000)}`;
      throw error;
    });
    await sales.start();
    const few = JSON.stringify({ ...typed('Fail'), Filler: '' }).length;
    const filler = 'x'.repeat(MESSAGE_HEADER_BYTES_MAX - few);
    await story.put('sales', { headers: typed('Fail', { Filler: filler }) });
    await story.settle();
    await story.advance(10_000);
    const { headers } = await story.onlyMessageIn('error');
    assert.equal(headers.Filler, filler);
    assert.equal(headers[Header.failedQueue], 'sales@alpha');
    assert.equal(headers[Header.exceptionType], 'Error');
    const bytes = JSON.stringify(headers).length;
    assert.ok(bytes <= MESSAGE_HEADER_BYTES_MAX + FAILURE_HEADER_BYTES_RESERVED, `${bytes} bytes`);
  });

  test('a message that came without an id is handled, and named by a new one when it fails', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    sales.handle('Fail', () => {
      throw new Error('boom');
    });
    await sales.start();
    await story.put('sales', { headers: { [Header.enclosedMessageTypes]: 'Fail' } });
    await story.settle();
    assert.match((await story.onlyMessageIn('error')).headers[Header.messageId] ?? '', /^[0-9a-f-]{36}$/);
  });

  test('whatever bytes come, each message is handled or in the error queue, and none is lost or doubled', async () => {
    const headerBytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.json().map((text) => Buffer.from(text)),
      fc.dictionary(fc.string(), fc.string()).map((headers) => Buffer.from(JSON.stringify(headers))),
      fc.constant(Buffer.from(JSON.stringify(typed('Sales.PlaceOrder')))),
    );
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.json().map((text) => Buffer.from(text)),
      fc.constant(Buffer.from('{"orderId":"1"}')),
    );
    const messages = fc.array(fc.record({ headerBytes, body }), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(messages, async (all) => {
        await using story = await EndpointStory.begin();
        const sales = story.endpoint('sales');
        let handled = 0;
        sales.handle(PlaceOrder, () => handled++);
        await sales.start();
        for (const message of all) await story.put('sales', message);
        await story.settle();
        const failed = await story.messagesIn('error');
        assert.equal(story.status('sales')?.messages, 0);
        assert.equal(handled + failed.length, all.length);
        for (const { headers } of failed) assert.ok(headers[Header.failureReason]);
      }),
      { numRuns: 60 },
    );
  });

  test('its neighbours are handled', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    const handled: string[] = [];
    sales.handle(PlaceOrder, (order) => handled.push(order.orderId));
    await story.put('sales', { headers: typed('Sales.PlaceOrder'), body: '{"orderId":"before"}' });
    await story.put('sales', { headerBytes: Buffer.from('junk'), body: 'junk' });
    await story.put('sales', { headers: typed('Sales.PlaceOrder'), body: '{"orderId":"after"}' });
    await sales.start();
    await story.settle();
    assert.deepEqual(handled, ['before', 'after']);
    assert.equal(story.status('error')?.messages, 1);
  });
});
