import type { LogFields, Logger } from '../io/logger.ts';
import { type Address, parseAddress } from '../message/address.ts';
import type { Contract, InputOf, Publishable, Sendable } from '../message/contract.ts';
import { Header, type Headers } from '../message/headers.ts';
import { retryCountsOf, withoutFailureHeaders } from '../recoverability/failure-headers.ts';
import { ResourceNotListed } from '../transactions/errors.ts';
import type { ClientOf, Resource } from '../transactions/resource.ts';
import type { Dispatcher } from '../transport/transport.ts';
import type { Attempt } from './attempt.ts';
import { checkDuration } from './check-duration.ts';
import { AlreadyDeferred, NoReplyAddress } from './errors.ts';
import type {
  AttemptNumbers,
  HandlerPublishOptions,
  HandlerSendOptions,
  IncomingLogicalContext,
  IncomingPhysicalContext,
  ReplyType,
  Sent,
} from './handler-context.ts';
import type { KnownType } from './handler-registry.ts';
import type { Cause } from './outgoing-headers.ts';
import { type OutgoingPipeline, PUBLISH, REPLY, SEND, SEND_LOCAL, type Verb } from './outgoing-pipeline.ts';

/**
 * The context of one message from its envelope to its handlers; each stage's type shows what is known by then
 * (`stages.ts`). What few handlers ask for (signal, logger, attempt numbers) is made when asked for.
 */
export class IncomingContext implements IncomingPhysicalContext<Resource>, IncomingLogicalContext<Resource>, Cause {
  readonly headers: Headers;
  readonly messageId: string;
  readonly current: Attempt;
  readonly #parts: IncomingParts;
  /** Known from the stage `typed` on. */
  known: KnownType | undefined;
  /** Known from the stage `logical` on. */
  message: unknown;
  /** Set by a handler that says the message needs no handling. */
  discardReason: string | undefined;
  #isDeferred = false;
  #logger: Logger | undefined;
  #numbers: AttemptNumbers | undefined;

  constructor(current: Attempt, headers: Headers, messageId: string, parts: IncomingParts) {
    this.current = current;
    this.headers = headers;
    this.messageId = messageId;
    this.#parts = parts;
  }

  get messageType(): string {
    return this.known?.name ?? '';
  }

  get correlationId(): string | undefined {
    return this.headers[Header.correlationId];
  }

  get conversationId(): string | undefined {
    return this.headers[Header.conversationId];
  }

  get replyToAddress(): string | undefined {
    return this.headers[Header.replyToAddress];
  }

  get endpoint(): string {
    return this.#parts.endpoint;
  }

  get queue(): string {
    return this.current.delivery.queue;
  }

  get machine(): string {
    return this.#parts.dispatcher.machine;
  }

  get body(): Uint8Array {
    return this.current.delivery.body;
  }

  get signal(): AbortSignal {
    return this.current.signal;
  }

  get logger(): Logger {
    this.#logger ??= this.#parts.logger.child(this.#logFields());
    return this.#logger;
  }

  get attempt(): AttemptNumbers {
    this.#numbers ??= this.#countAttempts();
    return this.#numbers;
  }

  send<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent> {
    return this.#dispatch(SEND, type, body, options);
  }

  sendLocal<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent> {
    return this.#dispatch(SEND_LOCAL, type, body, options);
  }

  publish<T extends Publishable>(type: T, body: InputOf<T>, options?: HandlerPublishOptions): Promise<Sent> {
    return this.#dispatch(PUBLISH, type, body, options);
  }

  async reply<T extends ReplyType>(type: T, body: InputOf<T>, options?: HandlerPublishOptions): Promise<Sent> {
    if (this.replyToAddress === undefined) throw new NoReplyAddress(this.messageId);
    return this.#dispatch(REPLY, type, body, options, parseAddress(this.replyToAddress));
  }

  async forward(to: string): Promise<void> {
    await this.#sendOn({ destination: parseAddress(to) });
  }

  async defer(delayMs: number): Promise<void> {
    checkDuration('delayMs', delayMs);
    if (this.#isDeferred) throw new AlreadyDeferred(this.messageId);
    this.#isDeferred = true;
    try {
      await this.#sendOn({ destination: this.#parts.ownQueue, delayMs });
    } catch (error) {
      this.#isDeferred = false;
      throw error;
    }
  }

  discard(reason: string): void {
    this.discardReason = reason;
  }

  async resource<R extends Resource>(resource: R): Promise<ClientOf<R>> {
    const { distributed } = this.current.transaction;
    if (distributed === undefined) throw new ResourceNotListed(resource.name, this.endpoint, []);
    // A resource says itself what its manager's branches hand out.
    return (await distributed.enlist(resource.resourceManager)) as ClientOf<R>;
  }

  #dispatch(
    verb: Verb,
    type: Contract | string,
    body: unknown,
    options: HandlerSendOptions | undefined,
    destination?: Address,
  ): Promise<Sent> {
    return this.#parts.outgoing.send({ verb, type, body, options, destination, cause: this, attempt: this.current });
  }

  /** The message itself once more, with its id and body; what happened to it here so far stays behind. */
  async #sendOn(to: { readonly destination: Address; readonly delayMs?: number }): Promise<void> {
    const headers = withoutFailureHeaders(this.headers);
    const { body, priority } = this.current.delivery;
    await this.#parts.dispatcher.dispatch([{ ...to, headers, body, priority }], this.current.unitForSends());
  }

  #countAttempts(): AttemptNumbers {
    const before = retryCountsOf(this.headers);
    const immediate = this.current.failedBefore + 1;
    return { immediate, delayed: before.delayedRetries, total: before.attempts + immediate };
  }

  #logFields(): LogFields {
    return { messageId: this.messageId, ...(this.known !== undefined && { messageType: this.known.name }) };
  }
}

/** What all contexts of one endpoint share. */
export interface IncomingParts {
  readonly endpoint: string;
  readonly ownQueue: Address;
  readonly dispatcher: Dispatcher;
  readonly outgoing: OutgoingPipeline;
  readonly logger: Logger;
}
