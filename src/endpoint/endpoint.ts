import { availableParallelism } from 'node:os';
import { checkedNameOf } from '../message/check-message-type.ts';
import type { Contract, Handleable, InputOf, Publishable, Sendable } from '../message/contract.ts';
import { checkOption, checkOptions, FUNCTION } from '../message/option-shapes.ts';
import { InvariantBroken } from '../message/posthorn-error.ts';
import { countOf } from '../message/wording.ts';
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
import { type OutgoingPipeline, PUBLISH, SEND, SEND_LOCAL, type Verb } from '../pipeline/outgoing-pipeline.ts';
import type { TransactionAction } from '../pipeline/program-transactions.ts';
import type { TransactionContext } from '../pipeline/transaction-context.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import {
  type CriticalError,
  type EndpointEventName,
  type Listener,
  Notifications,
} from '../recoverability/notifications.ts';
import { runOutsideTransactions } from '../transactions/ambient-transaction.ts';
import type { Resource } from '../transactions/resource.ts';
import type { ResourceManager } from '../transactions/resource-manager.ts';
import type { Transport } from '../transport/transport.ts';
import { type Attachment, attach } from './attach.ts';
import { refuseOwnQueue } from './configured-queues.ts';
import { describeEndpoint, type EndpointDescription } from './endpoint-description.ts';
import { type EndpointOptions, STOP_TIMEOUT_MS, type StopOptions } from './endpoint-options.ts';
import type { EndpointState } from './endpoint-state.ts';
import {
  EndpointAlreadyStarted,
  EndpointNotRunning,
  EndpointSendOnly,
  EndpointStopped,
  TransactionNeedsQueueManager,
} from './errors.ts';
import { makeOutgoing } from './make-outgoing.ts';
import { CONCURRENCY, checkBehavior, STOP_OPTIONS } from './option-shapes.ts';
import { makeReceiving, type Receiving } from './receiving.ts';
import { type ResolvedOptions, resolveOptions } from './resolve-options.ts';
import { Subscribing } from './subscribing.ts';
import { tellStarted } from './tell-started.ts';
import { startTransacting, type Transacting } from './transacting.ts';
import type { WaitingSends } from './waiting-sends.ts';

/**
 * Handles the messages of one queue, each in a transaction, and sends.
 *
 *     created ──start()──▶ starting ──▶ running ──stop()──▶ stopping ──▶ stopped
 *        ▲                    │                                            ▲
 *        └──────failed────────┘             created ──stop()───────────────┘
 *
 * `start` and `stop` may be called twice; what comes second gets the promise of the first.
 *
 * `Resources` are the databases that its options list: handlers and transactions may use those, and no others.
 */
export class Endpoint<Resources extends Resource = never> implements AsyncDisposable {
  /** Also the name of its queue. */
  readonly name: string;
  #options: ResolvedOptions;
  readonly #notifications: Notifications;
  readonly #registry = new HandlerRegistry();
  readonly #physicalBehaviors: UserBehavior<IncomingPhysicalContext<Resource>>[] = [];
  readonly #logicalBehaviors: UserBehavior<IncomingLogicalContext<Resource>>[] = [];
  #concurrency: number;
  #state: EndpointState = 'created';
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #attachment: Attachment | undefined;
  #sends: WaitingSends | undefined;
  #receiving: Receiving | undefined;
  #subscribing: Subscribing | undefined;
  #transacting: Transacting | undefined;

  /**
   * @param name - of the endpoint and its queue
   * @throws {InvalidOption} {InvalidAddress} with the mend; nothing is opened before `start`
   */
  constructor(name: string, options: EndpointOptions<Resources> = {}) {
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

  /** The one that it was given; undefined: the embedded one of its directory. For tools. */
  get queueManager(): QueueManager | undefined {
    return this.#options.given.queueManager;
  }

  /** The managers of the databases that it lists; for tools. */
  get resources(): readonly ResourceManager[] {
    return this.#options.resources;
  }

  /** Branches at a time of each of them that `start` makes room for; for tools. */
  get branchCount(): number {
    return this.#concurrency;
  }

  /** Handlers at a time, at most. May be set while running; with databases, not above what it was at the start. */
  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    checkOption('concurrency', concurrency, CONCURRENCY);
    this.#transacting?.uses.checkConcurrency(concurrency);
    this.#concurrency = concurrency;
    if (this.#receiving !== undefined) this.#receiving.loop.concurrency = concurrency;
  }

  /**
   * Registers what handles messages of a type. An event may have several handlers, which share one transaction.
   *
   * @throws {SecondHandler} the command has one {EndpointAlreadyStarted} {EndpointSendOnly} {ContractConflict}
   */
  handle<T extends Handleable>(type: T, handler: Handler<T, Resources>): this {
    this.#requireNotStarted('handle()');
    this.#requireReceiving('handle()');
    this.#registry.addHandler(type, handler as AnyHandler); // the registry finds it by the type that it was written for
    return this;
  }

  /**
   * Adds a step to the way of every message: `incomingPhysical` before its body is read, `incomingLogical` after it was
   * read and checked. Steps of one stage run in the order in which they were added.
   */
  use(stage: 'incomingPhysical', behavior: UserBehavior<IncomingPhysicalContext<Resources>>): this;
  use(stage: 'incomingLogical', behavior: UserBehavior<IncomingLogicalContext<Resources>>): this;
  use(stage: BehaviorStage, behavior: UserBehavior<never>): this {
    this.#requireNotStarted('use()');
    checkBehavior(stage, behavior);
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
    // Whoever starts it may do so in a transaction of another endpoint, which nothing here is part of.
    this.#starting ??= runOutsideTransactions(() => this.#start());
    return this.#starting;
  }

  /**
   * Receives no more, waits for running handlers and transactions, aborts those that are not done by `timeoutMs`, and lets
   * go of the queue manager. Messages of aborted handlers are available at once. A second call with a time of its own can only shorten
   * the first.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkOptions(options, STOP_OPTIONS);
    if (this.#stopping !== undefined && options.timeoutMs !== undefined) {
      this.#receiving?.loop.hurryStop(options.timeoutMs);
      this.#transacting?.programs.hurryStop(options.timeoutMs);
    }
    this.#stopping ??= this.#stop(options.timeoutMs ?? STOP_TIMEOUT_MS);
    await this.#stopping;
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
   * Runs `action` in a transaction: what it does in the endpoint's databases, and what it sends by its `tx`, commits when it
   * has returned, or not at all. Resolves with what it returned, after everything is durable. What is called below finds the
   * transaction too (`orders.query(…)`). `endpoint.send` takes no part: it leaves at once.
   *
   * Called inside a transaction of this endpoint, a handler's in mode `distributed` too, it joins that one, commits nothing by
   * itself, and when it fails, that one cannot commit any more. In handlers of other modes it is on its own, and runs again
   * with each attempt at the message.
   *
   * @throws what `action` threw, TRANSACTION_TIMED_OUT, TRANSACTION_ABORTED, and what databases and the store say at the
   * commit: nothing of it is there. OUTCOME_UNKNOWN: all of it may be, as `posthorn transactions` tells.
   */
  async transaction<Result>(
    action: (transaction: TransactionContext<Resources>) => Result | Promise<Result>,
  ): Promise<Result> {
    checkOption('action', action, FUNCTION);
    if (this.#attachment !== undefined && this.#attachment.transport === undefined) {
      throw new TransactionNeedsQueueManager(this.name);
    }
    if (this.#transacting === undefined || this.#state === 'stopped') {
      throw new EndpointNotRunning(this.name, this.#state);
    }
    return this.#transacting.programs.run(action as TransactionAction<Result>); // it is given all that the endpoint lists
  }

  /**
   * Has events of this type come to the own queue, from now on and after every restart. Those of other machines come when
   * each of the type's `publishers` has got the request, which is durable when this resolves.
   */
  async subscribe(type: Publishable): Promise<void> {
    await this.#requireSubscribing('subscribe()').subscribe([checkedNameOf(type)]);
  }

  /** The opposite of `subscribe`. Events that are on their way still come, and those of other machines until the request is there. */
  async unsubscribe(type: Publishable): Promise<void> {
    await this.#requireSubscribing('unsubscribe()').unsubscribe(checkedNameOf(type));
  }

  /** How it works, and what it does right now. */
  describe(): EndpointDescription {
    return describeEndpoint({
      name: this.name,
      state: this.#state,
      options: this.#options,
      machine: this.#attachment?.dispatcher.machine,
      concurrency: this.#concurrency,
      handlersRunning: this.#receiving?.loop.handlersRunning ?? 0,
      isRateLimited: this.#receiving?.limiter.isLimiting ?? false,
      handledTypes: [...this.#registry.all()].filter((each) => each.handlers.length > 0).map((each) => each.name),
      uses: this.#transacting?.uses.describe() ?? [],
      fenced: this.#transacting?.uses.fenced ?? [],
    });
  }

  async #start(): Promise<void> {
    this.#state = 'starting';
    try {
      this.#attachment = await attach(this.#options.given);
      const { pipeline: outgoing, sends } = makeOutgoing(this.name, this.#options, this.#attachment);
      const { transport } = this.#attachment;
      if (transport !== undefined) await this.#startWith(this.#attachment, transport, outgoing);
      else if (this.#options.resources.length > 0) throw new TransactionNeedsQueueManager(this.name);
      // Not before all of it is there: a start that fails has sent nothing.
      this.#sends = sends;
      this.#state = 'running';
    } catch (error) {
      this.#transacting?.uses.release();
      this.#transacting = undefined;
      await this.#attachment?.release();
      this.#attachment = undefined;
      this.#starting = undefined;
      this.#state = 'created';
      throw error;
    }
    tellStarted(this.describe(), this.#options, this.#attachment.transport);
    this.#notifications.emit('started', { endpoint: this.name });
    this.#receiving?.loop.start();
  }

  async #startWith(attachment: Attachment, transport: Transport, outgoing: OutgoingPipeline): Promise<void> {
    const parts = { endpoint: this.name, options: this.#options, concurrency: this.#concurrency, transport, outgoing };
    this.#transacting = await startTransacting(parts);
    if (!this.#options.isSendOnly) await this.#startReceiving(attachment, transport, outgoing, this.#transacting);
  }

  async #startReceiving(
    attachment: Attachment,
    transport: Transport,
    outgoing: OutgoingPipeline,
    { distributed, uses }: Transacting,
  ): Promise<void> {
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
      distributed,
      resourceUse: uses.first,
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
      this.#options.logger.warn(`Endpoint '${this.name}' purged ${countOf(purgedCount, 'message')} at its start.`);
  }

  async #stop(timeoutMs: number): Promise<void> {
    // Only a start under way is waited for: a running endpoint receives nothing more from this moment on.
    if (this.#state === 'starting') await Promise.allSettled([this.#starting]);
    this.#state = 'stopping';
    await Promise.all([this.#receiving?.loop.stop(timeoutMs), this.#transacting?.programs.stop(timeoutMs)]);
    this.#transacting?.uses.release();
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

export type BehaviorStage = 'incomingPhysical' | 'incomingLogical';
