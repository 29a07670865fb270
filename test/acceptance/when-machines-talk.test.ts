import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Endpoint } from '../../src/endpoint/endpoint.ts';
import type { EndpointOptions } from '../../src/endpoint/endpoint-options.ts';
import type { Io } from '../../src/io/io.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import { formatAddress } from '../../src/message/address.ts';
import { defineCommand, defineEvent, defineMessage } from '../../src/message/define-contract.ts';
import { Header, type Headers } from '../../src/message/headers.ts';
import { parseHeaders } from '../../src/message/parse-headers.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import { ReturnToSource } from '../../src/operations/return-to-source.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { publisher } from '../../src/routing/publisher.ts';
import { route } from '../../src/routing/route.ts';
import { MISSING_QUEUE_GRACE_MS } from '../../src/transfer/network-settings.ts';
import { QueueManagerSubscriptions } from '../../src/transports/queue-manager/queue-manager-subscriptions.ts';
import { LoopbackMachines } from '../support/loopback-machines.ts';

const PlaceOrder = defineCommand<{ orderId: string }>('Sales.PlaceOrder');
const OrderPlaced = defineEvent<{ orderId: string }>('Sales.OrderPlaced');
const Accepted = defineMessage<{ orderId: string }>('Sales.Accepted');
const Count = defineCommand<{ number: number }>('Ledger.Count');

const NO_RETRIES = { immediateRetries: 0, delayedRetries: 0 } as const;

/** Machines with their endpoints, all in this process, talking over loopback. */
class Conversation implements AsyncDisposable {
  readonly #machines = new LoopbackMachines();
  readonly #managers = new Map<string, QueueManager>();
  #endpoints: { readonly machine: string; readonly endpoint: Endpoint }[] = [];

  /** `openForLong`: as if it had been open for longer than it waits for queues that are still to be made. */
  async open(machine: string, options: { readonly openForLong?: boolean } = {}): Promise<QueueManager> {
    this.#machines.prepare(machine);
    const { io, stepForward } = stepping();
    const directory = this.#machines.directory(machine);
    const manager = await openQueueManager({ directory, machine, io, logger: silentLogger });
    this.#managers.set(machine, manager);
    if (options.openForLong === true) stepForward(MISSING_QUEUE_GRACE_MS);
    return manager;
  }

  manager(machine: string): QueueManager {
    const manager = this.#managers.get(machine);
    assert.ok(manager, `${machine} is open`);
    return manager;
  }

  /** Not started yet. */
  endpoint(address: `${string}@${string}`, options: EndpointOptions = {}): Endpoint {
    const [name = '', machine = ''] = address.split('@');
    const queueManager = this.manager(machine);
    const endpoint = new Endpoint(name, { queueManager, logger: silentLogger, ...options });
    this.#endpoints.push({ machine, endpoint });
    return endpoint;
  }

  /** In good order: endpoints, then the queue manager. */
  async close(machine: string): Promise<void> {
    const mine = this.#endpoints.filter((each) => each.machine === machine);
    this.#endpoints = this.#endpoints.filter((each) => each.machine !== machine);
    await Promise.all(mine.map(({ endpoint }) => endpoint.stop()));
    await this.manager(machine).close();
    this.#managers.delete(machine);
  }

  /** Takes the next message out of a queue, whenever it comes. */
  async next(address: `${string}@${string}`): Promise<{ readonly headers: Headers; readonly body: string }> {
    const [queue = '', machine = ''] = address.split('@');
    const manager = this.manager(machine);
    const receiver = await manager.openReceiver(queue);
    for (;;) {
      assert.ok(await receiver.peek());
      const delivery = receiver.receive();
      if (delivery === undefined) continue;
      const work = manager.begin();
      delivery.complete(work);
      await work.commit();
      receiver.close();
      return { headers: parseHeaders(delivery.headers) ?? {}, body: Buffer.from(delivery.body).toString() };
    }
  }

  async returnAll(machine: string, queue: string, to?: string): Promise<number> {
    const returns = new ReturnToSource(this.manager(machine), nodeIo());
    let operation = await returns.start({ errorQueue: queue, filter: {}, to });
    while (operation.state === 'running') operation = await returns.continue(operation.id, 64);
    return operation.returned;
  }

  waitingIn(machine: string): [string, number][] {
    const manager = this.manager(machine);
    const queues = [...manager.status(), ...manager.outgoingStatus()].filter(({ messages }) => messages > 0);
    return queues.map(({ queue, messages }) => [queue, messages]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of [...this.#managers.keys()]) await this.close(machine);
    await this.#machines[Symbol.asyncDispose]();
  }
}

/** The real doors, but for a monotonic clock that can step forward. */
function stepping(): { readonly io: Io; readonly stepForward: (byMs: number) => void } {
  const real = nodeIo();
  let aheadMs = 0;
  const clock = { ...real.clock, monotonicNowMs: () => real.clock.monotonicNowMs() + aheadMs };
  const stepForward = (byMs: number): void => {
    aheadMs += byMs;
  };
  return { io: { ...real, clock: { ...clock, wallNowMs: () => real.clock.wallNowMs() } }, stepForward };
}

/** Collects what handlers get, and resolves when there is enough. */
class Collected<Item> {
  readonly items: Item[] = [];
  #wanted: { readonly count: number; readonly resolve: () => void } | undefined;

  readonly add = (item: Item): void => {
    this.items.push(item);
    if (this.#wanted !== undefined && this.items.length >= this.#wanted.count) this.#wanted.resolve();
  };

  async reach(count: number): Promise<readonly Item[]> {
    if (this.items.length < count) {
      await new Promise<void>((resolve) => {
        this.#wanted = { count, resolve };
      });
    }
    return this.items;
  }
}

/** Sales on beta, which answers each order and announces it. */
async function startSales(story: Conversation): Promise<Endpoint> {
  const sales = story.endpoint('sales@beta').handle(PlaceOrder, async ({ orderId }, context) => {
    await context.publish(OrderPlaced, { orderId });
    if (context.replyToAddress !== undefined) await context.reply(Accepted, { orderId });
  });
  await sales.start();
  return sales;
}

describe('when machines talk', { timeout: 240_000 }, () => {
  test('what is sent to another machine is handled there, and its reply is handled here', async () => {
    await using story = new Conversation();
    for (const machine of ['alpha', 'beta']) await story.open(machine);
    await startSales(story);
    const replies = new Collected<string>();
    const web = story
      .endpoint('web@alpha', { routes: [route(PlaceOrder, 'sales@BETA')] })
      .handle(Accepted, ({ orderId }, context) =>
        replies.add(`${orderId} from ${context.headers[Header.originatingMachine]}`),
      );
    await web.start();
    for (const orderId of ['1', '2', '3']) await web.send(PlaceOrder, { orderId });
    assert.deepEqual([...(await replies.reach(3))].sort(), ['1 from beta', '2 from beta', '3 from beta']);
  });

  test('a send-only endpoint of another process sends and publishes over machines too', async () => {
    await using story = new Conversation();
    for (const machine of ['alpha', 'beta']) await story.open(machine);
    await story.manager('beta').declareQueue('sales');
    const subscriptions = await QueueManagerSubscriptions.of(story.manager('alpha'));
    await subscriptions.subscribe(OrderPlaced.name, { queue: 'sales', machine: 'Beta' });
    const { directory } = story.manager('alpha');
    await using web = new Endpoint('web', { sendOnly: true, directory, logger: silentLogger });
    await web.start();
    await web.send(PlaceOrder, { orderId: '1' }, { to: 'sales@beta', replyTo: 'replies@alpha', priority: 6 });
    const { headers, body } = await story.next('sales@beta');
    assert.equal(body, '{"orderId":"1"}');
    assert.equal(headers[Header.replyToAddress], 'replies@alpha');
    assert.equal(headers[Header.originatingMachine], 'alpha');
    await web.publish(OrderPlaced, { orderId: '2' });
    assert.equal((await story.next('sales@beta')).body, '{"orderId":"2"}');
  });

  test('events reach those who subscribed from other machines, also when the publisher was not there yet', async () => {
    await using story = new Conversation();
    for (const machine of ['alpha', 'gamma']) await story.open(machine);
    const heard = new Collected<string>();
    for (const machine of ['alpha', 'gamma'] as const) {
      const billing = story.endpoint(`billing@${machine}`, { publishers: [publisher(OrderPlaced, 'sales@beta')] });
      await billing.handle(OrderPlaced, ({ orderId }) => heard.add(`${orderId} on ${machine}`)).start();
    }
    assert.deepEqual(story.waitingIn('alpha'), [['sales@beta', 1]], 'the request waits for the publisher');

    await story.open('beta');
    const subscribed = new Collected<string>();
    const sales = story.endpoint('sales@beta');
    sales.on('handled', ({ messageType }) => subscribed.add(messageType ?? 'a request'));
    sales.handle(PlaceOrder, ({ orderId }, context) => context.publish(OrderPlaced, { orderId }));
    await sales.start();
    assert.deepEqual(await subscribed.reach(2), ['a request', 'a request']);
    await sales.sendLocal(PlaceOrder, { orderId: '1' });
    assert.deepEqual([...(await heard.reach(2))].sort(), ['1 on alpha', '1 on gamma']);

    await story.close('beta');
    await story.open('beta');
    await startSales(story);
    const subscriptions = await QueueManagerSubscriptions.of(story.manager('beta'));
    assert.deepEqual(subscriptions.subscribersOf(OrderPlaced.name).map(formatAddress).sort(), [
      'billing@alpha',
      'billing@gamma',
    ]);
  });

  test('who unsubscribes hears no more', async () => {
    await using story = new Conversation();
    for (const machine of ['alpha', 'beta']) await story.open(machine);
    const handled = new Collected<string>();
    const sales = story.endpoint('sales@beta').handle(PlaceOrder, () => undefined);
    sales.on('handled', ({ messageId }) => handled.add(messageId));
    await sales.start();
    const billing = story.endpoint('billing@alpha', { publishers: [publisher(OrderPlaced, 'sales@Beta')] });
    await billing.handle(OrderPlaced, () => undefined).start();
    await handled.reach(1);
    const subscriptions = await QueueManagerSubscriptions.of(story.manager('beta'));
    assert.deepEqual(subscriptions.subscribersOf(OrderPlaced.name).map(formatAddress), ['billing@alpha']);
    await billing.unsubscribe(OrderPlaced);
    await handled.reach(2);
    assert.deepEqual(subscriptions.subscribersOf(OrderPlaced.name), []);
  });

  test('what fails goes to the error queue of a third machine, and from there back to where it failed', async () => {
    await using story = new Conversation();
    for (const machine of ['alpha', 'beta', 'ops']) await story.open(machine);
    await story.manager('ops').declareQueue('error');
    const handled = new Collected<string>();
    const moved = new Collected<string>();
    let isRepaired = false;
    for (const machine of ['alpha', 'beta'] as const) {
      const worker = story.endpoint(`worker@${machine}`, {
        recoverability: { ...NO_RETRIES, errorQueue: 'error@Ops' },
      });
      worker.handle(Count, ({ number }, context) => {
        if (!isRepaired) throw new Error('out of order');
        handled.add(`${number} on ${context.machine}, attempt ${context.attempt.total}`);
      });
      worker.on('movedToErrorQueue', ({ errorQueue }) => moved.add(errorQueue));
      await worker.start();
      await worker.sendLocal(Count, { number: machine.length });
    }
    assert.deepEqual(await moved.reach(2), ['error@Ops', 'error@Ops']);
    isRepaired = true;

    const watch = await story.manager('ops').openReceiver('error');
    for (let returned = 0; returned < 2; ) {
      assert.ok(await watch.peek());
      returned += await story.returnAll('ops', 'error');
    }
    watch.close();
    assert.deepEqual([...(await handled.reach(2))].sort(), ['4 on beta, attempt 1', '5 on alpha, attempt 1']);
  });

  test('a queue that is not there makes a dead letter with the reason at the sender, and what follows goes on', async () => {
    await using story = new Conversation();
    await story.open('alpha');
    await story.open('beta', { openForLong: true });
    await story.manager('beta').declareQueue('sales');
    const web = story.endpoint('web@alpha');
    await web.start();
    await web.send(PlaceOrder, { orderId: '1' }, { to: 'slaes@beta' });
    await web.send(PlaceOrder, { orderId: '2' }, { to: 'sales@beta' });
    assert.equal((await story.next('sales@beta')).body, '{"orderId":"2"}');
    const { headers, body } = await story.next('dead-letter@alpha');
    assert.equal(body, '{"orderId":"1"}');
    assert.equal(headers[Header.deadLetterReason], 'NACK_BAD_DST_Q');
    assert.equal(headers[Header.deadLetterQueue], 'slaes@beta');
    assert.match(headers[Header.deadLetterText] ?? '', /no queue 'slaes' on machine 'beta'/);
  });

  test('a dead letter that is returned goes over machines again', async () => {
    await using story = new Conversation();
    await story.open('alpha');
    await story.open('beta');
    await story.manager('beta').declareQueue('sales', { acceptFrom: ['gamma'] });
    const web = story.endpoint('web@alpha');
    await web.start();
    await web.send(PlaceOrder, { orderId: '1' }, { to: 'sales@beta' });
    const watch = await story.manager('alpha').openReceiver('dead-letter');
    assert.ok(await watch.peek());
    watch.close();
    await story.manager('beta').declareQueue('sales', {});
    assert.equal(await story.returnAll('alpha', 'dead-letter'), 1);
    const { headers, body } = await story.next('sales@beta');
    assert.equal(body, '{"orderId":"1"}');
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('Posthorn.')),
      [],
    );
  });

  test('what does not get there in its time is a dead letter here and never arrives', async () => {
    await using story = new Conversation();
    await story.open('alpha');
    const web = story.endpoint('web@alpha');
    await web.start();
    await web.send(PlaceOrder, { orderId: 'late' }, { to: 'sales@beta', timeToReachQueueMs: 50 });
    await web.send(PlaceOrder, { orderId: 'patient' }, { to: 'sales@beta' });
    const { headers } = await story.next('dead-letter@alpha');
    assert.equal(headers[Header.deadLetterReason], 'NACK_REACH_QUEUE_TIMEOUT');
    await story.open('beta');
    await story.manager('beta').declareQueue('sales');
    assert.equal((await story.next('sales@beta')).body, '{"orderId":"patient"}');
  });

  test('who asks hears that its message arrived, that it was handled, and that one could not be delivered', async () => {
    await using story = new Conversation();
    await story.open('alpha');
    await story.open('beta', { openForLong: true });
    const told = new Collected<string>();
    const web = story.endpoint('web@alpha').handle('Posthorn.Acknowledgement', (_nothing, context) => {
      told.add(`${context.correlationId}: ${context.headers[Header.acknowledgement]}`);
    });
    await web.start();
    await startSales(story);
    const acknowledge = { queue: 'web' };
    await web.send(PlaceOrder, { orderId: '1' }, { to: 'sales@beta', messageId: 'good', acknowledge });
    await web.send(PlaceOrder, { orderId: '2' }, { to: 'nowhere@beta', messageId: 'lost', acknowledge });
    assert.deepEqual(
      [...(await told.reach(3))].sort(),
      ['good: ACK_REACH_QUEUE', 'good: ACK_RECEIVE', 'lost: NACK_BAD_DST_Q'].sort(),
    );
  });

  test('everything arrives once and in order while the receiver, and then the sender, is restarted again and again', async () => {
    await using story = new Conversation();
    await story.open('alpha');
    const handled = new Collected<number>();
    const openLedger = async (): Promise<void> => {
      await story.open('beta');
      const numbers = new Map<string, number>();
      const ledger = story.endpoint('ledger@beta', { concurrency: 1 });
      ledger.handle(Count, ({ number }, { messageId }) => void numbers.set(messageId, number));
      // Told after the commit: what a restart rolls back is not counted.
      ledger.on('handled', ({ messageId }) => handled.add(numbers.get(messageId) ?? -1));
      await ledger.start();
    };
    await openLedger();
    const startWeb = async (): Promise<Endpoint> => {
      const web = story.endpoint('web@alpha', { routes: [route(Count, 'ledger@beta')] });
      await web.start();
      return web;
    };
    let web = await startWeb();
    const count = 3_000;
    for (let number = 0; number < count; number++) {
      await web.send(Count, { number });
      if (number % 600 === 300) {
        await handled.reach(number - 200);
        await story.close('beta');
        await openLedger();
      }
      if (number % 1_000 === 999) {
        await story.close('alpha');
        await story.open('alpha');
        web = await startWeb();
      }
    }
    await handled.reach(count);
    assert.deepEqual(
      handled.items,
      Array.from({ length: count }, (_, number) => number),
    );
    assert.deepEqual(story.waitingIn('beta'), []);
  });
});
