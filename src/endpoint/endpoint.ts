import { availableParallelism } from 'node:os';
import { formatAddress } from '../message/address.ts';
import {
  type Contract,
  type Handleable,
  type InputOf,
  nameOf,
  type Publishable,
  type Sendable,
} from '../message/contract.ts';
import { InvariantBroken } from '../message/posthorn-error.ts';
import type { UserBehavior } from '../pipeline/behavior.ts';
import type {
  AnyHandler,
  Handler,
  IncomingLogicalContext,
  IncomingPhysicalContext,
  PublishOptions,
  SendOptions,
  Sent,
} from '../pipeline/handler-context.ts';
import { HandlerRegistry } from '../pipeline/handler-registry.ts';
import type { AvailableMode } from '../pipeline/message-transaction.ts';
import { OutgoingPipeline, PUBLISH, SEND, SEND_LOCAL, type Verb } from '../pipeline/outgoing-pipeline.ts';
import {
  type CriticalError,
  type EndpointEventName,
  type Listener,
  Notifications,
} from '../recoverability/notifications.ts';
import { attemptsMax, type RetryConfig } from '../recoverability/recoverability-config.ts';
import type { Transport } from '../transport/transport.ts';
import { type Attachment, attach } from './attach.ts';
import { type ConfiguredQueue, refuseOwnQueue } from './configured-queues.ts';
import { type EndpointOptions, STOP_TIMEOUT_MS, type StopOptions } from './endpoint-options.ts';
import { EndpointAlreadyStarted, EndpointNotRunning, EndpointSendOnly, EndpointStopped } from './errors.ts';
import { makeReceiving, type Receiving } from './receiving.ts';
import { checkConcurrency, type ResolvedOptions, resolveOptions } from './resolve-options.ts';
import { Subscribing } from './subscribing.ts';
import { WaitingSends } from './waiting-sends.ts';

/**
 * Handles the messages of one queue, each in a transaction, and sends.
 *
 *     created ──start()──▶ starting ──▶ running ──stop()──▶ stopping ──▶ stopped
 *        ▲                    │                                            ▲
 *        └──────failed────────┘             created ──stop()───────────────┘
 *
 * `start` and `stop` may be called twice; what comes second gets the promise of the first.
 */
export class Endpoint implements AsyncDisposable {
  /** Also the name of its queue. */
  readonly name: string;
  #options: ResolvedOptions;
  readonly #notifications: Notifications;
  readonly #registry = new HandlerRegistry();
  readonly #physicalBehaviors: UserBehavior<IncomingPhysicalContext>[] = [];
  readonly #logicalBehaviors: UserBehavior<IncomingLogicalContext>[] = [];
  #concurrency: number;
  #state: EndpointState = 'created';
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #attachment: Attachment | undefined;
  #sends: WaitingSends | undefined;
  #receiving: Receiving | undefined;
  #subscribing: Subscribing | undefined;

  /**
   * @param name - of the endpoint and its queue
   * @throws {InvalidOption} {InvalidAddress} {DistributedNotAvailable} with the mend; nothing is opened before `start`
   */
  constructor(name: string, options: EndpointOptions = {}) {
    this.name = name;
    this.#options = resolveOptions(name, options, availableParallelism());
    this.#concurrency = this.#options.concurrency;
    this.#notifications = new Notifications(this.#options.logger);
    for (const each of options.routes ?? []) this.#registry.addType(each.contract ?? each.type);
    for (const each of options.publishers ?? []) this.#registry.addType(each.contract ?? each.type);
    for (const each of options.contracts ?? []) this.#registry.addType(each);
  }

  get state(): EndpointState {
    return this.#state;
  }

  /** Handlers at a time, at most. May be set while running. */
  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    checkConcurrency(concurrency);
    this.#concurrency = concurrency;
    if (this.#receiving !== undefined) this.#receiving.loop.concurrency = concurrency;
  }

  /**
   * Registers what handles messages of a type. An event may have several handlers, which share one transaction.
   *
   * @throws {SecondHandler} the command has one {EndpointAlreadyStarted} {EndpointSendOnly} {ContractConflict}
   */
  handle<T extends Handleable>(type: T, handler: Handler<T>): this {
    this.#requireNotStarted('handle()');
    this.#requireReceiving('handle()');
    this.#registry.addHandler(type, handler as AnyHandler); // the registry finds it by the type that it was written for
    return this;
  }

  /**
   * Adds a step to the way of every message: `incomingPhysical` before its body is read, `incomingLogical` after it was
   * read and checked. Steps of one stage run in the order in which they were added.
   */
  use(stage: 'incomingPhysical', behavior: UserBehavior<IncomingPhysicalContext>): this;
  use(stage: 'incomingLogical', behavior: UserBehavior<IncomingLogicalContext>): this;
  use(stage: BehaviorStage, behavior: UserBehavior<never>): this {
    this.#requireNotStarted('use()');
    // The overloads tie the kind of behavior to the stage.
    if (stage === 'incomingPhysical') this.#physicalBehaviors.push(behavior as UserBehavior<IncomingPhysicalContext>);
    else this.#logicalBehaviors.push(behavior as UserBehavior<IncomingLogicalContext>);
    return this;
  }

  on<Name extends EndpointEventName>(name: Name, listener: Listener<Name>): this {
    this.#notifications.on(name, listener);
    return this;
  }

  off<Name extends EndpointEventName>(name: Name, listener: Listener<Name>): this {
    this.#notifications.off(name, listener);
    return this;
  }

  /**
   * Fills in what the constructor's options left open. The generic host does it with its role, logger and directory.
   *
   * @throws {EndpointAlreadyStarted} {InvalidOption}
   */
  useDefaults(defaults: EndpointOptions): this {
    this.#requireNotStarted('useDefaults()');
    this.#options = resolveOptions(this.name, { ...defaults, ...this.#options.given }, availableParallelism());
    return this;
  }

  /**
   * Opens the queue, subscribes to the events that have handlers, and begins to handle. Resolves when it does.
   *
   * @throws {PosthornError} STORE_OWNED, … : it is as if it had not been called {EndpointStopped}
   */
  start(): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(new EndpointStopped(this.name));
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Receives no more, waits for running handlers, aborts those that are not done by `timeoutMs`, and lets go of the queue
   * manager. Messages of aborted handlers are available at once. A second call with a time of its own can only shorten
   * the first.
   */
  stop(options: StopOptions = {}): Promise<void> {
    if (this.#stopping !== undefined && options.timeoutMs !== undefined) {
      this.#receiving?.loop.hurryStop(options.timeoutMs);
    }
    this.#stopping ??= this.#stop(options.timeoutMs ?? STOP_TIMEOUT_MS);
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Sends to the type's route, or to `options.to`. Resolves when the message is on the disk.
   *
   * @throws {PosthornError} INVALID_BODY, NO_ROUTE, STORE_FULL, …: nothing was sent. OUTCOME_UNKNOWN: it may have been
   */
  send<T extends Sendable>(type: T, body: InputOf<T>, options?: SendOptions): Promise<Sent> {
    return this.#dispatch(SEND, type, body, options);
  }

  /** Sends to this endpoint's own queue; otherwise as `send`. */
  sendLocal<T extends Sendable>(type: T, body: InputOf<T>, options?: Omit<SendOptions, 'to'>): Promise<Sent> {
    if (this.#options.isSendOnly) return Promise.reject(new EndpointSendOnly(this.name, 'sendLocal()'));
    return this.#dispatch(SEND_LOCAL, type, body, options);
  }

  /** Publishes to all who subscribed, in one unit; to nobody when there are none. Otherwise as `send`. */
  publish<T extends Publishable>(type: T, body: InputOf<T>, options?: PublishOptions): Promise<Sent> {
    return this.#dispatch(PUBLISH, type, body, options);
  }

  /**
   * Has events of this type come to the own queue, from now on and after every restart. Those of other machines come when
   * each of the type's `publishers` has got the request, which is durable when this resolves.
   */
  async subscribe(type: Publishable): Promise<void> {
    await this.#requireSubscribing('subscribe()').subscribe([nameOf(type)]);
  }

  /** The opposite of `subscribe`. Events that are on their way still come, and those of other machines until the request is there. */
  async unsubscribe(type: Publishable): Promise<void> {
    await this.#requireSubscribing('unsubscribe()').unsubscribe(nameOf(type));
  }

  /** How it works, and what it does right now. */
  describe(): EndpointDescription {
    const { mode, recoverability, isSendOnly, timeoutMs, routes, publishers } = this.#options;
    const { rules, unrecoverableErrors, ...retries } = recoverability;
    const machine = this.#attachment?.dispatcher.machine;
    return {
      name: this.name,
      address: isSendOnly || machine === undefined ? undefined : formatAddress({ queue: this.name, machine }),
      state: this.#state,
      mode,
      timeoutMs,
      concurrency: this.#concurrency,
      handlersRunning: this.#receiving?.loop.handlersRunning ?? 0,
      isRateLimited: this.#receiving?.limiter.isLimiting ?? false,
      attemptsMax: attemptsMax(recoverability),
      errorQueue: recoverability.errorQueue,
      retries,
      ruleCount: rules.length,
      unrecoverableErrorCount: unrecoverableErrors.length,
      hasOwnPolicy: this.#options.given.recoverability?.policy !== undefined,
      routes: routes.describe(),
      publishers: publishers.describe(),
      handledTypes: [...this.#registry.all()].filter((each) => each.handlers.length > 0).map((each) => each.name),
    };
  }

  async #start(): Promise<void> {
    this.#state = 'starting';
    try {
      this.#attachment = await attach(this.#options.given);
      const outgoing = this.#makeOutgoing(this.#attachment);
      if (this.#attachment.transport !== undefined && !this.#options.isSendOnly) {
        await this.#startReceiving(this.#attachment, this.#attachment.transport, outgoing);
      }
      this.#state = 'running';
    } catch (error) {
      await this.#attachment?.release();
      this.#attachment = undefined;
      this.#starting = undefined;
      this.#state = 'created';
      throw error;
    }
    this.#tellStarted();
    this.#receiving?.loop.start();
  }

  #makeOutgoing({ dispatcher, subscriptions }: Attachment): OutgoingPipeline {
    const { io, serializers, routes, isSendOnly } = this.#options;
    const ownQueue = isSendOnly ? undefined : { queue: this.name };
    const outgoing = new OutgoingPipeline({
      io,
      dispatcher,
      serializers,
      routes,
      subscriptions,
      endpoint: this.name,
      ownQueue,
    });
    this.#sends = new WaitingSends(
      () => dispatcher.admission(),
      (verb, type, body, options) => outgoing.send({ verb, type, body, options }),
    );
    return outgoing;
  }

  async #startReceiving(attachment: Attachment, transport: Transport, outgoing: OutgoingPipeline): Promise<void> {
    const { queues, publishers, io } = this.#options;
    refuseOwnQueue(this.name, queues, (machine) => transport.isHere(machine));
    const { subscriptions } = attachment;
    const subscribing = new Subscribing({ endpoint: this.name, transport, subscriptions, publishers, io });
    const receiver = await transport.openReceiver(this.name);
    try {
      if (this.#options.purgeOnStart) await this.#purge(() => receiver.purge());
      if (this.#options.autoSubscribe) await subscribing.subscribe(this.#registry.subscribableTypes());
    } catch (error) {
      receiver.close();
      throw error;
    }
    this.#subscribing = subscribing;
    this.#receiving = makeReceiving({
      endpoint: this.name,
      options: this.#options,
      transport,
      receiver,
      concurrency: this.#concurrency,
      registry: this.#registry,
      outgoing,
      subscriptions,
      notifications: this.#notifications,
      physicalBehaviors: this.#physicalBehaviors,
      logicalBehaviors: this.#logicalBehaviors,
      onCriticalError: (critical) => this.#criticalError(critical),
    });
  }

  async #purge(purge: () => Promise<number>): Promise<void> {
    const purgedCount = await purge();
    if (purgedCount > 0)
      this.#options.logger.warn(`Endpoint '${this.name}' purged ${purgedCount} messages at its start.`);
  }

  #tellStarted(): void {
    const { recoverability, mode, logger, isSendOnly } = this.#options;
    for (const { what, text } of this.#queuesElsewhere()) {
      logger.info(
        `The ${what} '${text}' of endpoint '${this.name}' stands on another machine: messages for it leave through the outgoing queue.`,
      );
    }
    const { address, concurrency } = this.describe();
    const { immediateRetries, delayedRetries, errorQueue } = recoverability;
    const attempts = `${attemptsMax(recoverability)} (${immediateRetries + 1} × ${delayedRetries + 1})`;
    logger.info(
      isSendOnly
        ? `Endpoint '${this.name}' is ready to send.`
        : `Endpoint '${this.name}' handles ${address}: mode ${mode}, ${concurrency} at a time, attempts at most ${attempts}, then '${errorQueue}'.`,
    );
    this.#notifications.emit('started', { endpoint: this.name });
  }

  #queuesElsewhere(): readonly ConfiguredQueue[] {
    const transport = this.#attachment?.transport;
    if (transport === undefined || this.#options.isSendOnly) return [];
    return this.#options.queues.filter(({ address }) => !transport.isHere(address.machine));
  }

  async #stop(timeoutMs: number): Promise<void> {
    // Only a start under way is waited for: a running endpoint receives nothing more from this moment on.
    if (this.#state === 'starting') await Promise.allSettled([this.#starting]);
    this.#state = 'stopping';
    await this.#receiving?.loop.stop(timeoutMs);
    await this.#attachment?.release();
    this.#state = 'stopped';
    this.#notifications.emit('stopped', { endpoint: this.name });
  }

  /** A broken invariant stops the endpoint, because going on could harm messages; everything else is tried on. */
  async #criticalError(critical: CriticalError): Promise<void> {
    const { onCriticalError } = this.#options.given;
    if (onCriticalError !== undefined) await onCriticalError(critical);
    else if (critical.error instanceof InvariantBroken) await this.stop();
  }

  #dispatch(verb: Verb, type: Contract | string, body: unknown, options: SendOptions | undefined): Promise<Sent> {
    // Also while stopping: handlers that finish may still send by way of their endpoint.
    if (this.#sends === undefined || this.#state === 'stopped') {
      return Promise.reject(new EndpointNotRunning(this.name, this.#state));
    }
    return this.#sends.send(verb, type, body, options);
  }

  #requireSubscribing(verb: string): Subscribing {
    this.#requireReceiving(verb);
    if (this.#subscribing === undefined || this.#state === 'stopped')
      throw new EndpointNotRunning(this.name, this.#state);
    return this.#subscribing;
  }

  #requireNotStarted(verb: string): void {
    if (this.#state !== 'created') throw new EndpointAlreadyStarted(this.name, verb);
  }

  #requireReceiving(verb: string): void {
    if (this.#options.isSendOnly) throw new EndpointSendOnly(this.name, verb);
  }
}

export type EndpointState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped';
export type BehaviorStage = 'incomingPhysical' | 'incomingLogical';

export interface EndpointDescription {
  readonly name: string;
  /** `queue@machine`; undefined before the start, and for a send-only endpoint. */
  readonly address: string | undefined;
  readonly state: EndpointState;
  readonly mode: AvailableMode;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly handlersRunning: number;
  readonly isRateLimited: boolean;
  /** Over all rounds of retries. */
  readonly attemptsMax: number;
  readonly errorQueue: string;
  /** As configured for all messages; rules and an own policy may say otherwise. */
  readonly retries: RetryConfig;
  readonly ruleCount: number;
  readonly unrecoverableErrorCount: number;
  readonly hasOwnPolicy: boolean;
  /** `queue` or `queue@machine` by message type. */
  readonly routes: Readonly<Record<string, string>>;
  /** Who publishes which events on other machines: `queue@machine` by message type. */
  readonly publishers: Readonly<Record<string, readonly string[]>>;
  readonly handledTypes: readonly string[];
}
