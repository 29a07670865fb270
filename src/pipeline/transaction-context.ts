import type { Contract, InputOf, Publishable, Sendable } from '../message/contract.ts';
import type { ClientOf, Resource } from '../transactions/resource.ts';
import type { DistributedWork } from './distributed-work.ts';
import type { HandlerPublishOptions, HandlerSendOptions, Sent } from './handler-context.ts';
import { type OutgoingPipeline, PUBLISH, SEND, SEND_LOCAL, type Verb } from './outgoing-pipeline.ts';

/**
 * What a function of the program can do in its transaction: `endpoint.transaction(async (tx) => …)`. All of it commits when
 * the function has returned, or none of it.
 */
export interface TransactionContext<in Resources extends Resource = never> {
  /** Names the transaction in `posthorn transactions` and in databases; inside a handler that of its message. */
  readonly id: string;
  /** Aborted when the transaction times out and when the endpoint stops; its reason says which. */
  readonly signal: AbortSignal;
  /**
   * The client of a database, in this transaction. The same one for every call; its branch is begun by the first.
   *
   * @throws {PosthornError} RESOURCE_UNAVAILABLE, RESOURCE_FENCED, RESOURCE_NOT_LISTED, TRANSACTION_ENDED
   */
  readonly resource: <R extends Resources>(resource: R) => Promise<ClientOf<R>>;
  /** Sends a command to its route, or to `options.to`. It leaves when the transaction commits, unless `dispatch: 'now'`. */
  send<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent>;
  /** Sends to the endpoint's own queue. */
  sendLocal<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent>;
  /** Publishes an event to all who subscribed. */
  publish<T extends Publishable>(type: T, body: InputOf<T>, options?: HandlerPublishOptions): Promise<Sent>;
}

/** The context of a transaction of its own, or of one that was joined: then its messages say which message they come from. */
export class WorkContext implements TransactionContext<Resource> {
  readonly #work: DistributedWork;
  readonly #outgoing: OutgoingPipeline;
  readonly #checkSendLocal: () => void;

  /** @param checkSendLocal - throws where there is no own queue */
  constructor(work: DistributedWork, outgoing: OutgoingPipeline, checkSendLocal: () => void) {
    this.#work = work;
    this.#outgoing = outgoing;
    this.#checkSendLocal = checkSendLocal;
  }

  get id(): string {
    return this.#work.id;
  }

  get signal(): AbortSignal {
    return this.#work.scope.signal;
  }

  async resource<R extends Resource>(resource: R): Promise<ClientOf<R>> {
    // A resource says itself what its manager's branches hand out.
    return (await this.#work.enlist(resource.resourceManager)) as ClientOf<R>;
  }

  send<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent> {
    return this.#dispatch(SEND, type, body, options);
  }

  async sendLocal<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent> {
    this.#checkSendLocal();
    return this.#dispatch(SEND_LOCAL, type, body, options);
  }

  publish<T extends Publishable>(type: T, body: InputOf<T>, options?: HandlerPublishOptions): Promise<Sent> {
    return this.#dispatch(PUBLISH, type, body, options);
  }

  #dispatch(
    verb: Verb,
    type: Contract | string,
    body: unknown,
    options: HandlerSendOptions | undefined,
  ): Promise<Sent> {
    const { scope } = this.#work;
    const { cause } = scope;
    return this.#outgoing.send({ verb, type, body, options, attempt: scope, ...(cause !== undefined && { cause }) });
  }
}
