import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as z from 'zod';
import { defineCommand, defineEvent } from '../../src/message/define-contract.ts';
import { Header } from '../../src/message/headers.ts';
import type { SendOptions } from '../../src/pipeline/handler-context.ts';
import { route } from '../../src/routing/route.ts';
import { EndpointStory } from '../support/endpoint-story.ts';

const PlaceOrder = defineCommand('Sales.PlaceOrder', z.object({ orderId: z.string() }));
const OrderPlaced = defineEvent('Sales.OrderPlaced', z.object({ orderId: z.string() }));

describe('when a program sends', () => {
  test('the send answers with the message’s id after the message is durable', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop', { routes: [route(PlaceOrder, 'sales@alpha')] });
    await shop.start();
    const { messageId } = await shop.send(PlaceOrder, { orderId: '1' });
    await story.crash();
    const { headers, body } = await story.onlyMessageIn('sales');
    assert.equal(headers[Header.messageId], messageId);
    assert.equal(headers[Header.correlationId], messageId);
    assert.equal(headers[Header.conversationId], messageId);
    assert.equal(headers[Header.relatedTo], undefined);
    assert.equal(body.toString(), '{"orderId":"1"}');
  });

  test('a message without a route is refused with both mends', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    await assert.rejects(shop.send(PlaceOrder, { orderId: '1' }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'NO_ROUTE');
      assert.match(error.message, /\{ to: 'queue' \}/);
      assert.match(error.message, /route\('Sales\.PlaceOrder', 'queue'\)/);
      return true;
    });
  });

  const refusals: [what: string, code: string, options: Record<string, unknown>][] = [
    ['a misspelt option', 'INVALID_OPTION', { delay: 5 }],
    ['a priority above 7', 'INVALID_OPTION', { priority: 8 }],
    ['a priority that is not whole', 'INVALID_OPTION', { priority: 1.5 }],
    ['a negative delay', 'INVALID_OPTION', { delayMs: -1 }],
    ['a delay that is not a number', 'INVALID_OPTION', { delayMs: Number.NaN }],
    ['a time that is none', 'INVALID_OPTION', { deliverAt: new Date('nonsense') }],
    ['a delay that is a text', 'INVALID_OPTION', { delayMs: '1000' }],
    ['a delay and a moment', 'INVALID_OPTION', { delayMs: 5, deliverAt: new Date() }],
    ['a moment that is a text', 'INVALID_OPTION', { deliverAt: '1000' }],
    ['a moment that is null', 'INVALID_OPTION', { deliverAt: null }],
    ['a dispatch that there is not', 'INVALID_OPTION', { dispatch: 'later' }],
    ['a dead letter by a text', 'INVALID_OPTION', { deadLetter: 'no' }],
    ['an acknowledgement without a queue', 'INVALID_OPTION', { acknowledge: {} }],
    ['an acknowledgement by yes', 'INVALID_OPTION', { acknowledge: true }],
    ['a queue that is a number', 'INVALID_ADDRESS', { to: 5 }],
    ['a reply address that is a number', 'INVALID_ADDRESS', { replyTo: 5 }],
    ['headers that are null', 'INVALID_OPTION', { headers: null }],
    ['headers that are a text', 'INVALID_OPTION', { headers: 'Tenant' }],
    ['headers in a Map, which has no keys', 'INVALID_OPTION', { headers: new Map([['Tenant', '7']]) }],
    ['a time beyond all years', 'INVALID_OPTION', { deliverAt: 8.64e15 }],
    ['a negative time to be received', 'INVALID_OPTION', { timeToBeReceivedMs: -1 }],
    ['an empty id', 'INVALID_OPTION', { messageId: '' }],
    ['an id that is too long', 'INVALID_OPTION', { messageId: 'x'.repeat(201) }],
    ['a queue that is none', 'INVALID_ADDRESS', { to: 'no spaces' }],
    ['a path for a queue', 'INVALID_ADDRESS', { to: '../../etc/passwd' }],
    ['a reply address that is none', 'INVALID_ADDRESS', { replyTo: '@' }],
    ['the header __proto__', 'INVALID_HEADER', { headers: JSON.parse('{"__proto__":"x"}') }],
    ['the header constructor', 'INVALID_HEADER', { headers: { constructor: 'x' } }],
    ['a header with a line break', 'INVALID_HEADER', { headers: { 'a\nb': 'x' } }],
    ['a header that is not text', 'INVALID_HEADER', { headers: { Tenant: 7 } }],
    ['a header that Posthorn sets', 'INVALID_HEADER', { headers: { [Header.failedQueue]: 'elsewhere' } }],
    ['headers that are too large', 'MESSAGE_TOO_LARGE', { headers: { Huge: 'x'.repeat(70_000) } }],
    [
      'too many headers',
      'INVALID_HEADER',
      { headers: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`h${i}`, ''])) },
    ],
  ];
  for (const [what, code, options] of refusals) {
    test(`${what} is refused, and nothing is sent`, async () => {
      await using story = await EndpointStory.begin();
      const shop = story.endpoint('shop');
      await shop.start();
      await assert.rejects(shop.send('Order', {}, { to: 'sales', ...options } as SendOptions), { code });
      assert.equal(story.status('sales')?.messages ?? 0, 0);
    });
  }

  test('what is no type, and options that are none, are refused as what they are', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    for (const type of [undefined, null, 5, {}, class PlaceOrderClass {}]) {
      await assert.rejects(shop.send(type as unknown as string, {}, { to: 'sales' }), {
        code: 'INVALID_MESSAGE_TYPE',
        message: /cannot name a message type: it is neither a name nor a contract/,
      });
      await assert.rejects(shop.publish(type as unknown as string, {}), { code: 'INVALID_MESSAGE_TYPE' });
      await assert.rejects(shop.subscribe(type as never), { code: 'INVALID_MESSAGE_TYPE' });
    }
    for (const options of [null, 'sales', 5]) {
      await assert.rejects(shop.send('Order', {}, options as never), {
        code: 'INVALID_OPTION',
        message: /'send.options'/,
      });
    }
  });

  test('a value of the wrong shape is told as a person would write it', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    const told: [options: unknown, text: RegExp][] = [
      [{ to: 'x', delayMs: '1000' }, /'delayMs' is '1000'\. Give milliseconds/],
      [{ to: 5 }, /^5 is not an address: it is not a text/],
      [
        { to: 'x', headers: { Tenant: 5 } },
        /"Tenant" was refused: its value is 5, and only text travels\. Write the value/,
      ],
      [{ to: 'x', headers: new Map() }, /'headers' is an instance of Map\. Give an object of texts/],
      [{ to: 'x', acknowledge: {} }, /'acknowledge\.queue' is missing\. Write 'queue'/],
    ];
    for (const [options, message] of told)
      await assert.rejects(shop.send('Order', {}, options as SendOptions), { message });
    await assert.rejects(shop.send('Order', undefined, { to: 'x' }), {
      message: /undefined has no JSON\. Send an object or null\. Correct the body/,
    });
  });

  test('a misspelt option is answered with the nearest name', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    await assert.rejects(
      shop.send('Order', {}, { to: 'sales', delayMS: 5 } as SendOptions),
      /'send\.delayMS'.*Did you mean 'delayMs'/,
    );
  });

  test('a body that does not fit its schema, or that JSON cannot hold, is refused with the place', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    const options = { to: 'sales' };
    const wrong = { orderId: 1 } as unknown as { orderId: string };
    await assert.rejects(shop.send(PlaceOrder, wrong, options), { code: 'INVALID_BODY', message: /orderId: / });
    const round: Record<string, unknown> = {};
    round.itself = round;
    await assert.rejects(shop.send('Order', round, options), { code: 'INVALID_BODY', message: /circular/ });
    await assert.rejects(shop.send('Order', 10n, options), { code: 'INVALID_BODY' });
    await assert.rejects(shop.send('Order', undefined, options), {
      code: 'INVALID_BODY',
      message: /undefined has no JSON/,
    });
    await assert.rejects(shop.send('Order', 'x'.repeat(5_000_000), options), { code: 'MESSAGE_TOO_LARGE' });
    assert.equal(story.status('sales')?.messages ?? 0, 0);
  });

  test('a schema may answer later: the body is checked all the same', async () => {
    await using story = await EndpointStory.begin();
    const Reserve = defineCommand('Reserve', z.object({ seat: z.string().refine(async (seat) => seat !== 'taken') }));
    const handled: string[] = [];
    const sales = story.endpoint('sales');
    sales.handle(Reserve, (reserve) => handled.push(reserve.seat));
    await sales.start();
    await assert.rejects(sales.sendLocal(Reserve, { seat: 'taken' }), { code: 'INVALID_BODY' });
    await sales.sendLocal(Reserve, { seat: '12A' });
    await story.settle();
    assert.deepEqual(handled, ['12A']);
  });

  test('an event cannot be sent and a command cannot be published, also where no compiler looked', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    await assert.rejects(shop.send(OrderPlaced as never, { orderId: '1' } as never, { to: 'x' }), {
      code: 'WRONG_MESSAGE_KIND',
    });
    await assert.rejects(shop.publish(PlaceOrder as never, { orderId: '1' } as never), { code: 'WRONG_MESSAGE_KIND' });
    await assert.rejects(shop.send('no spaces' as string, {}, { to: 'x' }), { code: 'INVALID_MESSAGE_TYPE' });
  });

  test('delay, moment, priority, expiry, own headers and ids arrive as they were said', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    await shop.send('Low', {}, { to: 'sales', priority: 1 });
    await shop.send(
      'High',
      {},
      { to: 'sales', priority: 6, headers: { Tenant: '7' }, messageId: 'mine', correlationId: 'ours' },
    );
    await shop.send('Later', {}, { to: 'sales', delayMs: 1_000 });
    await shop.send('AtNoon', {}, { to: 'sales', deliverAt: new Date('2030-01-01T12:00:00Z') });
    await shop.send('Past', {}, { to: 'sales', deliverAt: 0 });
    const now = (await story.messagesIn('sales')).map(({ headers }) => headers);
    assert.deepEqual(
      now.map((headers) => headers[Header.enclosedMessageTypes]),
      ['High', 'Past', 'Low'],
    );
    assert.equal(now[0]?.Tenant, '7');
    assert.equal(now[0]?.[Header.messageId], 'mine');
    assert.equal(now[0]?.[Header.correlationId], 'ours');
    await story.advance(1_000);
    assert.equal(story.status('sales')?.messages, 4);
    await story.advance(12 * 60 * 60 * 1000);
    assert.equal(story.status('sales')?.messages, 5);
    const due = (await story.messagesIn('sales')).map(({ headers }) => headers[Header.deliverAt]);
    assert.ok(due.includes('2030-01-01 12:00:00:000000 Z'), due.join());
  });

  test('a message that nobody received in its time goes to the dead-letter queue, or nowhere when asked', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    await shop.send('Kept', {}, { to: 'sales', timeToBeReceivedMs: 60_000 });
    await shop.send('Dropped', {}, { to: 'sales', timeToBeReceivedMs: 60_000, deadLetter: false });
    await story.advance(60_000);
    assert.equal(story.status('sales')?.messages, 0);
    assert.equal((await story.onlyMessageIn('dead-letter')).headers[Header.enclosedMessageTypes], 'Kept');
  });

  test('a signal that is already aborted sends nothing', async () => {
    await using story = await EndpointStory.begin();
    const shop = story.endpoint('shop');
    await shop.start();
    const reason = new Error('never mind');
    await assert.rejects(shop.send('Order', {}, { to: 'sales', signal: AbortSignal.abort(reason) }), reason);
    assert.equal(story.status('sales')?.messages ?? 0, 0);
  });

  test('a send-only endpoint has no queue: it sends and publishes, and refuses the rest with the mend', async () => {
    await using story = await EndpointStory.begin();
    const billing = story.endpoint('billing');
    let heard = 0;
    billing.handle(OrderPlaced, () => heard++);
    await billing.start();
    const web = story.endpoint('web', { sendOnly: true });
    assert.throws(() => web.handle('Order', () => undefined), { code: 'ENDPOINT_SEND_ONLY' });
    await web.start();
    await web.send('Order', {}, { to: 'sales' });
    await web.publish(OrderPlaced, { orderId: '1' });
    await assert.rejects(web.sendLocal('Order', {}), { code: 'ENDPOINT_SEND_ONLY' });
    await assert.rejects(web.subscribe(OrderPlaced), { code: 'ENDPOINT_SEND_ONLY' });
    await story.settle();
    assert.equal(heard, 1);
    assert.equal(story.manager.hasQueue('web'), false);
    const { headers } = await story.onlyMessageIn('sales');
    assert.equal(headers[Header.replyToAddress], undefined);
    assert.equal(web.describe().address, undefined);
  });

  test('a serializer of its own writes and reads its content type, and JSON is still read', async () => {
    await using story = await EndpointStory.begin();
    const lines = {
      contentType: 'text/x-lines',
      serialize: (body: unknown) => Buffer.from((body as string[]).join('\n')),
      deserialize: (bytes: Uint8Array) => Buffer.from(bytes).toString().split('\n'),
    };
    const seen: unknown[] = [];
    const sales = story.endpoint('sales', { serializers: [lines], concurrency: 1 });
    sales.handle('List', (list) => seen.push(list));
    await sales.start();
    const plain = story.endpoint('plain');
    await plain.start();
    await sales.sendLocal('List', ['a', 'b']);
    await plain.send('List', { json: true }, { to: 'sales' });
    await story.settle();
    assert.deepEqual(seen, [['a', 'b'], { json: true }]);
  });
});
