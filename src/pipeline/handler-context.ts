import type { Logger } from '../io/logger.ts';
import type {
  Handleable,
  InputOf,
  OutputOf,
  PlainMessage,
  Publishable,
  ReplyOf,
  Sendable,
} from '../message/contract.ts';
import type { Headers } from '../message/headers.ts';
import type { ClientOf, Resource } from '../transactions/resource.ts';

/**
 * What a handler and a behavior know of the message at hand, and what they can do in its transaction. `Resources` are the
 * databases that the endpoint lists, as a union (`in`: a handler that needs one does not fit an endpoint that lists none).
 */
export interface MessageContext<Reply extends ReplyType = ReplyType, in Resources extends Resource = never> {
  readonly messageId: string;
  readonly headers: Headers;
  /** Id of the message that began the exchange. */
  readonly correlationId: string | undefined;
  /** Same for all messages that one first message caused. */
  readonly conversationId: string | undefined;
  /** `queue@machine` where a reply goes. */
  readonly replyToAddress: string | undefined;
  readonly endpoint: string;
  readonly queue: string;
  readonly machine: string;
  /** Aborted when the transaction times out and when the endpoint stops; its reason says which. */
  readonly signal: AbortSignal;
  /** Its lines carry the message's id and type. */
  readonly logger: Logger;
  readonly attempt: AttemptNumbers;

  /** Sends a command to its route, or to `options.to`. It leaves when the transaction commits, unless `dispatch: 'now'`. */
  send<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent>;
  /** Sends to this endpoint's own queue. */
  sendLocal<T extends Sendable>(type: T, body: InputOf<T>, options?: HandlerSendOptions): Promise<Sent>;
  /** Publishes an event to all who subscribed. */
  publish<T extends Publishable>(type: T, body: InputOf<T>, options?: HandlerPublishOptions): Promise<Sent>;
  /** Answers the sender. @throws {NoReplyAddress} the message does not say where replies go */
  reply<T extends Reply>(type: T, body: InputOf<T>, options?: HandlerPublishOptions): Promise<Sent>;
  /** Sends the message at hand, as it is, to another queue too. */
  forward(to: string): Promise<void>;
  /**
   * Puts the message at hand back into its queue, to come again after `delayMs`; this time it counts as handled.
   *
   * Once in an attempt, by whichever of its handlers: a second call is refused, because two copies would be handled twice.
   *
   * @throws {InvalidOption} {AlreadyDeferred}
   */
  defer(delayMs: number): Promise<void>;
  /** Says why this message needed no handling; it counts as handled, and is not audited. */
  discard(reason: string): void;
  /**
   * The client of a database, in this message's transaction: what is done with it commits with the message, or not at all.
   * The same one for every call; its branch is begun by the first.
   *
   * @throws {PosthornError} RESOURCE_UNAVAILABLE, RESOURCE_FENCED, RESOURCE_NOT_LISTED, TRANSACTION_ENDED
   */
  readonly resource: <R extends Resources>(resource: R) => Promise<ClientOf<R>>;
}

/** A handler's context. `Reply` is what the message's contract allows as an answer. */
export interface HandlerContext<Reply extends ReplyType = ReplyType, in Resources extends Resource = never>
  extends MessageContext<Reply, Resources> {
  readonly messageType: string;
}

/** Before the body is read: the stage `incomingPhysical`. */
export interface IncomingPhysicalContext<in Resources extends Resource = never>
  extends MessageContext<ReplyType, Resources> {
  readonly body: Uint8Array;
}

/** After the body was read and checked: the stage `incomingLogical`. */
export interface IncomingLogicalContext<in Resources extends Resource = never>
  extends HandlerContext<ReplyType, Resources> {
  /** What the handlers get; a behavior may put something else in its place. */
  message: unknown;
}

export interface AttemptNumbers {
  /** 1 for the first of this round. */
  readonly immediate: number;
  /** Rounds before this one. */
  readonly delayed: number;
  /** Over all rounds, this one included. */
  readonly total: number;
}

/** What it returns is awaited and not looked at. */
export type Handler<T extends Handleable, Resources extends Resource = never> = (
  message: OutputOf<T>,
  context: HandlerContext<ReplyOf<T>, Resources>,
) => unknown;

/** A handler whose message type is known by the registry only, and its databases by the endpoint. */
export type AnyHandler = (message: unknown, context: HandlerContext<ReplyType, Resource>) => unknown;

export type ReplyType = PlainMessage | string;

export interface Sent {
  readonly messageId: string;
}

export interface SendOptions {
  /**
   * `queue` or `queue@machine`; default: the type's route. A queue of this machine is made when it is first sent to, so a
   * misspelt name makes one that nobody reads: `posthorn queues` shows it with 0 receivers.
   */
  readonly to?: string;
  readonly headers?: Headers;
  /** Not to be received before this time has passed. */
  readonly delayMs?: number;
  /** Not to be received before this moment: a Date, or Unix time in milliseconds. One in the past means at once. */
  readonly deliverAt?: Date | number;
  /** After it the message is not worth receiving any more; it goes to the dead-letter queue. */
  readonly timeToBeReceivedMs?: number;
  /**
   * Not with its machine in this time, it goes to the dead-letter queue here. A delayed message counts from its due time; a
   * queue of this machine is reached at once. Default: unlimited.
   */
  readonly timeToReachQueueMs?: number;
  /** False: an expired message is dropped and counted, not kept in the dead-letter queue. Default true. */
  readonly deadLetter?: boolean;
  /** 0 lowest to 7 highest; default 3. */
  readonly priority?: number;
  /** Asks for messages that tell what became of this one; see `AcknowledgementOptions`. */
  readonly acknowledge?: AcknowledgementOptions;
  /** Where replies go; default: this endpoint's queue. */
  readonly replyTo?: string;
  readonly correlationId?: string;
  /** Default: a new UUID. */
  readonly messageId?: string;
  /** Gives up a send that still waits for its turn; a message already handed over is sent all the same. */
  readonly signal?: AbortSignal;
}

/**
 * Acknowledgements are messages of the type `Posthorn.Acknowledgement` with an empty object as body: header `Posthorn.Acknowledgement`
 * has what happened (`ACK_REACH_QUEUE`, `ACK_RECEIVE`, or `NACK_…` as MSMQ has them), `NServiceBus.CorrelationId` the
 * message. With neither `reached` nor `received` said, both are told.
 */
export interface AcknowledgementOptions {
  /** The administration queue, `queue` or `queue@machine`. */
  readonly queue: string;
  /** Tells whether it got into the queue that it was sent to. */
  readonly reached?: boolean;
  /** Tells whether an endpoint took it out of there for good: handled it, or moved it to its error queue. */
  readonly received?: boolean;
}

export type PublishOptions = Omit<SendOptions, 'to'>;

/** `now`: leaves at once and stays sent, whatever becomes of the handler. */
export interface DispatchOptions {
  readonly dispatch?: 'withCommit' | 'now';
}

export type HandlerSendOptions = SendOptions & DispatchOptions;
export type HandlerPublishOptions = PublishOptions & DispatchOptions;
