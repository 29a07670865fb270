import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Endpoint } from '../../src/endpoint/endpoint.ts';
import type { EndpointOptions } from '../../src/endpoint/endpoint-options.ts';
import type { Logger } from '../../src/io/logger.ts';
import { formatAddress } from '../../src/message/address.ts';
import { defineCommand, defineEvent, defineMessage } from '../../src/message/define-contract.ts';
import { Header, type Headers } from '../../src/message/headers.ts';
import { publisher } from '../../src/routing/publisher.ts';
import { route } from '../../src/routing/route.ts';
import { QueueManagerSubscriptions } from '../../src/transports/queue-manager/queue-manager-subscriptions.ts';
import { EndpointStory, record } from '../support/endpoint-story.ts';

const PlaceOrder = defineCommand<{ orderId: string }>('Sales.PlaceOrder');
const OrderPlaced = defineEvent<{ orderId: string }>('Sales.OrderPlaced');
const OrderCancelled = defineEvent<{ orderId: string }>('Sales.OrderCancelled');
const Accepted = defineMessage<{ orderId: string }>('Sales.Accepted');

const ONE_ATTEMPT = { immediateRetries: 0, delayedRetries: 0 } as const;

/** What the endpoint of another machine would send. */
function fromBeta(type: string, more: Headers = {}): Headers {
  return {
    [Header.messageId]: `id-of-${type}`,
    [Header.enclosedMessageTypes]: type,
    [Header.replyToAddress]: 'web@Beta',
    ...more,
  };
}

function request(intent: 'Subscribe' | 'Unsubscribe', type: string, subscriber: string): Headers {
  return {
    [Header.messageId]: `${intent}-${type}-${subscriber}`,
    [Header.messageIntent]: intent,
    [Header.subscriptionMessageType]: type,
    [Header.subscriberAddress]: subscriber,
    [Header.subscriberEndpoint]: 'billing',
  };
}

async function subscribersOf(story: EndpointStory, type: string): Promise<string[]> {
  const subscriptions = await QueueManagerSubscriptions.of(story.manager);
  return subscriptions.subscribersOf(type).map(formatAddress);
}

async function startSales(story: EndpointStory, options: EndpointOptions = {}): Promise<Endpoint> {
  const sales = story.endpoint('sales', options).handle(PlaceOrder, async ({ orderId }, context) => {
    await context.publish(OrderPlaced, { orderId });
    if (context.replyToAddress !== undefined) await context.reply(Accepted, { orderId });
  });
  await sales.start();
  return sales;
}

function outgoing(story: EndpointStory): [string, number][] {
  return story.manager.outgoingStatus().map(({ queue, messages }) => [queue, messages]);
}

describe('when endpoints name other machines', () => {
  test('what they send there waits in one outgoing queue, by option or by route, in any case of the name', async () => {
    await using story = await EndpointStory.begin();
    const web = story.endpoint('web', { routes: [route(PlaceOrder, 'sales@Beta')] });
    await web.start();
    await web.send(PlaceOrder, { orderId: '1' });
    await web.send(PlaceOrder, { orderId: '2' }, { to: 'sales@BETA', timeToReachQueueMs: 60_000 });
    assert.deepEqual(outgoing(story), [['sales@beta', 2]]);
    const [first, second] = await story.messagesIn('sales@beta');
    assert.equal(first?.headers[Header.replyToAddress], 'web@alpha', 'replies find this machine');
    assert.equal(second?.headers[Header.timeToReachQueue], '00:01:00');
  });

  test('replies go back over machines in the transaction of the handler', async () => {
    await using story = await EndpointStory.begin();
    await startSales(story);
    await story.put('sales', { headers: fromBeta('Sales.PlaceOrder'), body: '{"orderId":"7"}' });
    await story.settle();
    const { headers, body } = await story.onlyMessageIn('web@beta');
    assert.equal(headers[Header.messageIntent], 'Reply');
    assert.equal(headers[Header.correlationId], 'id-of-Sales.PlaceOrder');
    assert.deepEqual(JSON.parse(body.toString()), { orderId: '7' });
  });

  test('a failed message goes to the error queue of another machine, in one unit, and names where it failed', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { ...ONE_ATTEMPT, errorQueue: 'error@ops' } });
    sales.handle(PlaceOrder, () => assert.fail('no stock'));
    const moved = record(sales, 'movedToErrorQueue');
    await sales.start();
    assert.deepEqual(outgoing(story), [], 'nothing is made before something fails');
    await sales.sendLocal(PlaceOrder, { orderId: '1' }, { timeToReachQueueMs: 1_000, timeToBeReceivedMs: 2_000 });
    await story.settle();
    assert.equal(moved[0]?.errorQueue, 'error@ops');
    assert.equal(story.status('sales')?.messages, 0);
    const { headers } = await story.onlyMessageIn('error@ops');
    assert.equal(headers[Header.failedQueue], 'sales@alpha');
    assert.equal(headers[Header.exceptionMessage], 'no stock');
    await story.advance(3_600_000);
    assert.deepEqual(outgoing(story), [['error@ops', 1]], 'it does not expire on its way');
    assert.equal(story.status('error'), undefined);
  });

  test('copies of handled messages go to the audit queue of another machine, and ask for no acknowledgement again', async () => {
    await using story = await EndpointStory.begin();
    const sales = await startSales(story, { audit: { queue: 'audit@ops' } });
    await sales.sendLocal(PlaceOrder, { orderId: '1' }, { acknowledge: { queue: 'acks' } });
    await story.settle();
    const { headers } = await story.onlyMessageIn('audit@ops');
    assert.equal(headers[Header.processingMachine], 'alpha');
    assert.equal(headers[Header.administrationQueue], undefined);
    assert.equal((await story.messagesIn('acks')).length, 2);
  });

  test('at the start the log says which queues stand elsewhere', async () => {
    await using story = await EndpointStory.begin();
    const lines: string[] = [];
    const keep = (text: string): void => void lines.push(text);
    const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
    const sales = story.endpoint('sales', {
      logger,
      recoverability: { errorQueue: 'error@OPS', rules: [{ whenMessage: 'Greet', errorQueue: 'greetings@ALPHA' }] },
      audit: { queue: 'audit@ops' },
    });
    await sales.start();
    const told = lines.filter((line) => line.includes('another machine'));
    assert.equal(told.length, 2, told.join('\n'));
    assert.match(told[0] ?? '', /error queue 'error@OPS'/);
    assert.match(told[1] ?? '', /audit queue 'audit@ops'/);
  });

  test('an error queue with the name of the endpoint is refused on this machine and allowed on another', async () => {
    await using story = await EndpointStory.begin();
    const withErrorQueue = (errorQueue: string): Endpoint =>
      story.endpoint('sales', { recoverability: { errorQueue } });
    assert.throws(() => withErrorQueue('sales'), { code: 'INVALID_OPTION' });
    await assert.rejects(withErrorQueue('sales@ALPHA').start(), { code: 'INVALID_OPTION' });
    await withErrorQueue('sales@ops').start();
  });

  test('at each start an endpoint asks the publishers of the events that it handles, and no others', async () => {
    await using story = await EndpointStory.begin();
    const start = async (): Promise<void> => {
      const billing = story.endpoint('billing', {
        publishers: [
          publisher(OrderPlaced, 'sales@Beta'),
          publisher(OrderPlaced, 'shop@gamma'),
          publisher(OrderPlaced, 'sales@ALPHA'),
          publisher(OrderPlaced, 'sales'),
          publisher(OrderCancelled, 'sales@delta'),
        ],
      });
      await billing.handle(OrderPlaced, () => undefined).start();
      assert.deepEqual(billing.describe().publishers, {
        'Sales.OrderPlaced': ['sales@Beta', 'shop@gamma', 'sales@ALPHA', 'sales'],
        'Sales.OrderCancelled': ['sales@delta'],
      });
    };
    await start();
    assert.deepEqual(outgoing(story), [
      ['sales@beta', 1],
      ['shop@gamma', 1],
    ]);
    const { headers, body } = await story.onlyMessageIn('sales@beta');
    const { [Header.messageId]: id, [Header.timeSent]: sent, ...others } = headers;
    assert.ok(id !== undefined && sent !== undefined);
    assert.deepEqual(
      { ...others },
      {
        'NServiceBus.MessageIntent': 'Subscribe',
        'NServiceBus.ControlMessage': 'True',
        SubscriptionMessageType: 'Sales.OrderPlaced',
        'NServiceBus.SubscriberAddress': 'billing@alpha',
        'NServiceBus.SubscriberEndpoint': 'billing',
        'NServiceBus.ReplyToAddress': 'billing@alpha',
        'NServiceBus.CorrelationId': id,
        'NServiceBus.ConversationId': id,
        'NServiceBus.OriginatingEndpoint': 'billing',
        'NServiceBus.OriginatingMachine': 'alpha',
      },
    );
    assert.equal(body.byteLength, 0);
    assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), ['billing'], 'events of this machine come too');
    await story.restart();
    await start();
    assert.equal((await story.messagesIn('sales@beta')).length, 2);
  });

  test('without autoSubscribe it asks when it is told to, and takes it back when it is told to', async () => {
    await using story = await EndpointStory.begin();
    const publishers = [publisher(OrderPlaced, 'sales@beta')];
    const billing = story.endpoint('billing', { publishers, autoSubscribe: false });
    await billing.handle(OrderPlaced, () => undefined).start();
    assert.deepEqual(outgoing(story), []);
    await billing.subscribe(OrderPlaced);
    await billing.unsubscribe(OrderPlaced);
    const intents = (await story.messagesIn('sales@beta')).map(({ headers }) => headers[Header.messageIntent]);
    assert.deepEqual(intents, ['Subscribe', 'Unsubscribe']);
    assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), []);
  });

  test('a send-only endpoint has no queue for events, so publishers are refused', async () => {
    await using story = await EndpointStory.begin();
    assert.throws(() => story.endpoint('web', { sendOnly: true, publishers: [publisher(OrderPlaced, 'sales@beta')] }), {
      code: 'INVALID_OPTION',
    });
  });

  test('who subscribed on another machine gets a copy of each event, in the unit of the publisher, also after a crash', async () => {
    await using story = await EndpointStory.begin();
    let sales = await startSales(story);
    const handled = record(sales, 'handled');
    for (const subscriber of ['billing@Beta', 'billing@BETA', 'mail@gamma', 'stock@Alpha']) {
      await story.put('sales', { headers: request('Subscribe', 'Sales.OrderPlaced', subscriber), body: '' });
    }
    await story.settle();
    assert.equal(handled.length, 4);
    await story.crash();
    sales = await startSales(story);
    assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), ['billing@beta', 'mail@gamma', 'stock']);
    await sales.sendLocal(PlaceOrder, { orderId: '1' });
    await story.settle();
    for (const queue of ['billing@beta', 'mail@gamma', 'stock']) {
      const { headers } = await story.onlyMessageIn(queue);
      assert.equal(headers[Header.messageIntent], 'Publish', queue);
    }
    await story.put('sales', { headers: request('Unsubscribe', 'Sales.OrderPlaced', 'billing@beta'), body: '' });
    await story.settle();
    await sales.sendLocal(PlaceOrder, { orderId: '2' });
    await story.settle();
    assert.equal((await story.messagesIn('billing@beta')).length, 1);
    assert.equal((await story.messagesIn('mail@gamma')).length, 2);
  });

  test('a subscription that could not be committed is none, and its request is tried again', async () => {
    await using story = await EndpointStory.begin();
    const sales = await startSales(story);
    let refusals = 0;
    story.onCommit = async (unit, commit) => {
      const isSubscription = unit.operations.some((each) => each.kind === 'setState' && each.key.startsWith('subscr'));
      if (!isSubscription || refusals > 0) return commit();
      refusals++;
      assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), []);
      throw new Error('the store refuses this unit');
    };
    await story.put('sales', { headers: request('Subscribe', 'Sales.OrderPlaced', 'billing@beta'), body: '' });
    await story.settle();
    assert.equal(refusals, 1);
    assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), ['billing@beta']);
    assert.equal(sales.state, 'running');
    assert.equal(story.status('error'), undefined);
  });

  test('in every transaction mode a request is met', async () => {
    for (const mode of ['none', 'receiveOnly', 'sendsAtomicWithReceive'] as const) {
      await using story = await EndpointStory.begin();
      await startSales(story, { transactions: { mode } });
      await story.put('sales', { headers: request('Subscribe', 'Sales.OrderPlaced', 'billing@beta'), body: '' });
      await story.settle();
      assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), ['billing@beta'], mode);
    }
  });

  test('a request as NServiceBus writes it is understood, with the assembly in the type and an old subscriber without address', async () => {
    await using story = await EndpointStory.begin();
    await startSales(story);
    const { [Header.subscriberAddress]: _without, ...old } = request('Subscribe', 'Sales.OrderPlaced', 'billing@beta');
    const type = 'Sales.OrderPlaced, Sales, Version=1.0.0.0, Culture=neutral, PublicKeyToken=null';
    const headers = { ...old, [Header.subscriptionMessageType]: type, [Header.replyToAddress]: 'billing@beta' };
    await story.put('sales', { headers, body: '' });
    await story.settle();
    assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), ['billing@beta']);
  });

  test('a request that does not say what is needed goes to the error queue at once', async () => {
    await using story = await EndpointStory.begin();
    await startSales(story);
    const whole = request('Subscribe', 'Sales.OrderPlaced', 'billing@beta');
    const { [Header.subscriberAddress]: _address, ...withoutAddress } = whole;
    const { [Header.subscriptionMessageType]: _type, ...withoutType } = whole;
    const wrong = [
      withoutAddress,
      withoutType,
      { ...whole, [Header.subscriberAddress]: 'billing@be ta' },
      { ...whole, [Header.subscriptionMessageType]: '*' },
    ];
    for (const headers of wrong) await story.put('sales', { headers, body: '' });
    await story.settle();
    const failed = await story.messagesIn('error');
    assert.deepEqual(
      failed.map(({ headers }) => [headers[Header.failureReason], headers[Header.attempts]]),
      wrong.map(() => ['InvalidSubscription', '1']),
    );
    assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), []);
  });

  test('a behavior of the user may refuse a subscriber', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales').use('incomingPhysical', async (context, next) => {
      const subscriber = context.headers[Header.subscriberAddress];
      if (subscriber === undefined || subscriber.endsWith('@beta')) await next();
      else context.discard(`'${subscriber}' may not subscribe`);
    });
    await sales.start();
    for (const subscriber of ['billing@beta', 'stranger@gamma']) {
      await story.put('sales', { headers: request('Subscribe', 'Sales.OrderPlaced', subscriber), body: '' });
    }
    await story.settle();
    assert.deepEqual(await subscribersOf(story, 'Sales.OrderPlaced'), ['billing@beta']);
  });
});
