import type { Endpoint } from '../endpoint/endpoint.ts';
import { type Logger, silentLogger } from '../io/logger.ts';
import { parseAddress } from '../message/address.ts';
import { checkedNameOf } from '../message/check-message-type.ts';
import type { Contract, InputOf, Publishable, Sendable } from '../message/contract.ts';
import { Header } from '../message/headers.ts';
import { checkOption, checkOptions, MILLISECONDS, named, type Shapes, TEXT } from '../message/option-shapes.ts';
import type { PublishOptions, SendOptions, Sent } from '../pipeline/handler-context.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { QueuePlaceKind } from '../store/store.ts';
import type { Resource } from '../transactions/resource.ts';
import { BusLife, type EndpointMaker, OUTSIDE } from './bus-life.ts';
import { NoSuchTestEndpoint, TestBusDisposed } from './errors.ts';
import { type FailOnceOptions, FaultPlan, type InjectedFault } from './fault-plan.ts';
import { MessageLog, PUBLISHED_SPY_QUEUE } from './message-log.ts';
import { DATE, DOWN_OPTIONS, JUMP, LOGGER, MAKERS, PLACE_KIND, QUIET_OPTIONS, SEED } from './option-shapes.ts';
import {
  bodyOf,
  type FailedMessage,
  type HandledMessage,
  type SpiedMessage,
  typeOf,
  type WaitingMessage,
} from './spied-message.ts';
import { TestMachine } from './test-machine.ts';
import { waitForQuiet } from './wait-for-quiet.ts';

/**
 * Starts endpoints on a queue manager in memory, with a clock that stands still until the test moves it.
 *
 * Everything else is what runs in production: store, queues, transactions, retries. Works in any test runner.
 *
 * @throws {PosthornError} INVALID_OPTION, also for an endpoint that would not work on this bus; what an endpoint throws at its start
 */
export function createTestBus(options: TestBusOptions = {}): Promise<TestBus> {
  return TestBus.create(options);
}

export interface TestBusOptions {
  /** Makers of endpoints: `(options) => new Endpoint('sales', options).handle(…)`. Called again after a crash or restart. */
  readonly endpoints?: readonly EndpointMaker[];
  /** Name of the machine, as in `queue@machine`. Default `test`. */
  readonly machine?: string;
  /** Decides everything that is left to chance; the same seed gives the same run. Default 1. */
  readonly seed?: number;
  /** What time it is at first. Default 2030-01-01T00:00:00Z. */
  readonly now?: Date;
  /** Default: says nothing. */
  readonly logger?: Logger;
}

/** See `createTestBus`. Made there, disposed of with `await using` or `dispose`. */
export class TestBus implements AsyncDisposable {
  readonly seed: number;
  readonly #machine: TestMachine;
  readonly #log = new MessageLog();
  readonly #handled: { readonly endpoint: string; readonly messageId: string; readonly attempts: number }[] = [];
  readonly #faults: FaultPlan;
  readonly #makers: EndpointMaker[];
  readonly #logger: Logger;
  #life: BusLife | undefined;
  /** Set while a process starts after a crash; a crash meanwhile starts another, and only the last one counts. */
  #restarting: PromiseWithResolvers<void> | undefined;
  #starts = 0;
  #disposing: Promise<void> | undefined;

  private constructor(options: TestBusOptions) {
    this.seed = options.seed ?? 1;
    this.#makers = [...(options.endpoints ?? [])];
    this.#logger = options.logger ?? silentLogger;
    this.#faults = new FaultPlan(this.#log, () => void this.crash());
    this.#machine = new TestMachine({
      seed: this.seed,
      ...(options.machine !== undefined && { name: options.machine }),
      ...(options.now !== undefined && { wallMs: options.now.getTime() }),
      watcher: {
        opened: (store) => this.#log.readFrom(store),
        commit: (unit, commit) => {
          const committing = this.#faults.commit(unit, commit);
          committing.then(
            () => this.#log.committed(unit),
            () => undefined, // whoever committed hears of it; a unit that was refused is none to log
          );
          return committing;
        },
      },
    });
  }

  /** Use `createTestBus`. */
  static async create(options: TestBusOptions): Promise<TestBus> {
    checkOptions(options, TEST_BUS_OPTIONS);
    const bus = new TestBus(options);
    await bus.#start();
    return bus;
  }

  /** Adds an endpoint and starts it. @throws {InvalidOption} it would not work on this bus; what it throws at its start */
  async add<Resources extends Resource = never>(make: EndpointMaker<Resources>): Promise<Endpoint<Resources>> {
    checkOption('endpoints', [make], MAKERS);
    this.#makers.push(make);
    try {
      return await this.#running.add(make);
    } catch (error) {
      this.#makers.splice(this.#makers.lastIndexOf(make), 1); // a restart does without it too
      throw error;
    }
  }

  /**
   * The endpoint of this name as it runs now; another one after a crash or restart. Which databases it lists, a name does not
   * say: `bus.endpoint<typeof orders>('sales')`.
   */
  endpoint<Resources extends Resource = never>(name: string): Endpoint<Resources> {
    const endpoint = this.#running.endpoint(name);
    if (endpoint === undefined) throw new NoSuchTestEndpoint(`is called '${name}'`, this.#endpointNames());
    return endpoint as Endpoint<Resources>; // whoever asks knows what was listed
  }

  /** The queue manager as it runs now. */
  get queueManager(): QueueManager {
    return this.#running.manager;
  }

  // ---- sending from outside

  /**
   * Sends as somebody outside does: to `options.to`, or to the endpoint that has a handler for the type. Replies go to the
   * queue `test`.
   */
  async send<T extends Sendable>(type: T, body: InputOf<T>, options?: SendOptions): Promise<Sent> {
    await this.#restarted();
    const to = options?.to ?? this.#handlerOf(checkedNameOf(type));
    const replyTo = options?.replyTo ?? `${OUTSIDE}@${this.#machine.name}`;
    return await this.#running.outside.send(type, body, { ...options, to, replyTo });
  }

  /** Publishes as somebody outside does. */
  async publish<T extends Publishable>(type: T, body: InputOf<T>, options?: PublishOptions): Promise<Sent> {
    await this.#restarted();
    return await this.#running.outside.publish(type, body, options);
  }

  // ---- time

  /** What time it is on the machine, by its wall clock. */
  now(): Date {
    return new Date(this.#machine.io.clock.wallNowMs());
  }

  /**
   * Lets time pass. What becomes due meanwhile happens, each thing at its own time. Waits for what that begins, but not
   * for handlers that wait for something real: `quiet` does.
   */
  async advance(byMs: number): Promise<void> {
    checkOption('byMs', byMs, MILLISECONDS);
    await this.#restarted();
    await this.#machine.advance(byMs);
  }

  /** Sets the wall clock forward, or with a negative number back, as an operator or a time server does. No time passes. */
  jumpWallClock(byMs: number): void {
    checkOption('byMs', byMs, JUMP);
    this.#machine.io.clock.jumpWall(byMs);
  }

  /**
   * Waits until no handler runs, no message is ready and no unit is on the way. Delayed messages may remain, delayed
   * retries among them; with `throughDelays` time moves on until none is left. What was sent to another machine waits for it
   * and is not waited for.
   *
   * @throws {BusNotQuiet} after `limitMs` of real time (default 10,000), naming what is still busy
   */
  async quiet(options: { readonly throughDelays?: boolean; readonly limitMs?: number } = {}): Promise<void> {
    checkOptions(options, QUIET_OPTIONS);
    await waitForQuiet(this.#machine, {
      life: () => (this.#restarting === undefined ? this.#running : undefined),
      restarted: () => this.#restarted(),
      throughDelays: options.throughDelays ?? false,
      limitMs: options.limitMs ?? QUIET_LIMIT_MS,
    });
  }

  // ---- spies: what became durable, in that order, since the bus was made and over all crashes

  /** Bodies of the messages of a type that endpoints sent or replied with; none whose transaction was rolled back. */
  sent<T extends Sendable>(type: T): InputOf<T>[] {
    return this.#bodiesOf(type, ({ intent, from }) => intent !== 'publish' && from !== OUTSIDE);
  }

  /** Bodies of the events of a type that endpoints published, whether or not anybody subscribed to them. */
  published<T extends Publishable>(type: T): InputOf<T>[] {
    return this.#bodiesOf(type, ({ intent, from }) => intent === 'publish' && from !== OUTSIDE);
  }

  /** Every message that was sent, replied with or published, by endpoints and by the test, with headers and destinations. */
  history(): readonly SpiedMessage[] {
    return this.#log.messages();
  }

  /** Messages of a type, or all, that were handled: once per endpoint that handled it. */
  handled<T extends Contract | string = string>(type?: T): HandledMessage<InputOf<T>>[] {
    const wanted = type === undefined ? undefined : checkedNameOf(type);
    return this.#handled.flatMap(({ endpoint, messageId, attempts }) => {
      const message = this.#log.find(messageId);
      if (message === undefined || (wanted !== undefined && message.type !== wanted)) return [];
      // The contract says what its messages carry.
      return [{ messageId, type: message.type, body: message.body as InputOf<T>, endpoint, attempts }];
    });
  }

  /** Messages of a type, or all, that are in an error queue now, or on their way to one of another machine, with the reason. */
  async failed<T extends Contract | string = string>(type?: T): Promise<FailedMessage<InputOf<T>>[]> {
    const { queueManager } = this;
    const wanted = type === undefined ? undefined : checkedNameOf(type);
    const queues = [...queueManager.status(), ...queueManager.outgoingStatus()];
    const errorQueues = new Set(queues.map(({ queue }) => queue));
    errorQueues.delete(PUBLISHED_SPY_QUEUE);
    const failed: FailedMessage<InputOf<T>>[] = [];
    for (const queue of errorQueues) {
      for (const message of await this.#browse(queue, 'queue')) {
        const found = failedMessage(queue, message);
        // The contract says what its messages carry.
        if (found !== undefined && (wanted === undefined || found.type === wanted))
          failed.push(found as FailedMessage<InputOf<T>>);
      }
    }
    return failed;
  }

  /**
   * Messages that are in a queue now, in the order in which they would be received; none when it does not exist. With
   * `queue@machine`: those that wait for that machine.
   *
   * @throws {InvalidAddress} {InvalidOption} no queue can be called so, or be of that kind
   */
  async messagesIn(queue: string, kind: QueuePlaceKind = 'queue'): Promise<WaitingMessage[]> {
    parseAddress(queue);
    checkOption('kind', kind, PLACE_KIND);
    return (await this.#browse(queue, kind)).map(({ id, headers, body, priority, isLocked }) => ({
      messageId: id,
      type: typeOf(headers),
      body: bodyOf(headers, body ?? NO_BYTES),
      headers: headers ?? {},
      priority,
      isLocked,
    }));
  }

  // ---- failures

  /** Lets the handling of the next message that fits fail once. Called twice, two fail. */
  failOnce(options: FailOnceOptions): InjectedFault {
    return this.#faults.failOnce(options);
  }

  /**
   * Kills the process and starts it again: all memory is gone, endpoints are made anew. What was committed is there, and
   * of what was on its way a part that the seed decides. Handlers of the dead process that still run reach nothing.
   *
   * @param options.downForMs - how long nothing runs; default 0
   */
  async crash(options: { readonly downForMs?: number } = {}): Promise<void> {
    checkOptions(options, DOWN_OPTIONS);
    this.#machine.crash();
    this.#faults.processDied();
    this.#machine.io.clock.advance(options.downForMs ?? 0);
    this.#restarting ??= Promise.withResolvers<void>();
    const { promise, resolve, reject } = this.#restarting;
    const start = this.#starts + 1;
    const over = (settle: () => void) => (): void => {
      if (this.#starts !== start) return;
      this.#restarting = undefined;
      settle();
    };
    const fail = (error: unknown): void => {
      this.#life = undefined; // the dead process answers nobody, and there is no other to stop
      reject(error);
    };
    this.#start().then(over(resolve), (error) => over(() => fail(error))());
    await promise;
  }

  /** Ends the process in good order and starts it again. */
  async restart(options: { readonly downForMs?: number } = {}): Promise<void> {
    checkOptions(options, DOWN_OPTIONS);
    await this.#restarted();
    await this.#running.stop();
    this.#machine.io.clock.advance(options.downForMs ?? 0);
    await this.#start();
  }

  /** Stops the endpoints and closes the queue manager. May be called twice. */
  dispose(): Promise<void> {
    this.#disposing ??= this.#restarted().then(() => this.#life?.stop());
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  get #running(): BusLife {
    if (this.#life === undefined || this.#disposing !== undefined) throw new TestBusDisposed();
    return this.#life;
  }

  async #start(): Promise<void> {
    const onHandled = (endpoint: string, messageId: string, attempts: number): void => {
      this.#handled.push({ endpoint, messageId, attempts });
    };
    const parts = { machine: this.#machine, faults: this.#faults, logger: this.#logger, onHandled };
    const start = ++this.#starts;
    const life = await BusLife.start(parts, this.#makers);
    if (this.#starts === start) this.#life = life;
  }

  async #restarted(): Promise<void> {
    while (this.#restarting !== undefined) await this.#restarting.promise;
  }

  #endpointNames(): string[] {
    return this.#running.endpoints.map(({ name }) => name);
  }

  #handlerOf(type: string): string {
    const handling = this.#running.endpoints.filter((endpoint) => endpoint.describe().handledTypes.includes(type));
    const [only] = handling;
    if (only !== undefined && handling.length === 1) return only.name;
    const what = handling.length === 0 ? `has a handler for '${type}'` : `is the only one that handles '${type}'`;
    throw new NoSuchTestEndpoint(what, this.#endpointNames());
  }

  #bodiesOf<T extends Contract | string>(type: T, isMeant: (message: SpiedMessage) => boolean): InputOf<T>[] {
    const name = checkedNameOf(type);
    const meant = this.#log.messages().filter((message) => message.type === name && isMeant(message));
    // The contract says what its messages carry.
    return meant.map(({ body }) => body as InputOf<T>);
  }

  async #browse(queue: string, kind: QueuePlaceKind): Promise<BrowsedMessage[]> {
    if (!this.queueManager.hasQueue(queue)) return [];
    const messages: BrowsedMessage[] = [];
    let afterPosition: number | undefined;
    for (let isLast = false; !isLast; ) {
      const range = { queue, kind, countMax: 500, withBodies: true };
      const page = await this.queueManager.browse(afterPosition === undefined ? range : { ...range, afterPosition });
      messages.push(...page.messages);
      afterPosition = page.lastPosition;
      isLast = page.isLast;
    }
    return messages;
  }
}

const TEST_BUS_OPTIONS = named({
  endpoints: MAKERS,
  machine: TEXT,
  seed: SEED,
  now: DATE,
  logger: LOGGER,
} satisfies Shapes<TestBusOptions>);

const QUIET_LIMIT_MS = 10_000;
const NO_BYTES = new Uint8Array(0);

/** Undefined for a message that did not fail. */
function failedMessage(errorQueue: string, message: BrowsedMessage): FailedMessage | undefined {
  const { headers } = message;
  const failedQueue = headers?.[Header.failedQueue];
  if (headers === undefined || failedQueue === undefined) return undefined;
  return {
    messageId: message.id,
    type: typeOf(headers),
    body: bodyOf(headers, message.body ?? NO_BYTES),
    headers,
    errorQueue,
    failedQueue,
    reason: headers[Header.failureReason] ?? '',
    exceptionType: headers[Header.exceptionType] ?? '',
    exceptionMessage: headers[Header.exceptionMessage] ?? '',
    attempts: Number(headers[Header.attempts] ?? 0),
  };
}
