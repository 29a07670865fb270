import type { Io } from '../io/io.ts';
import { type Address, formatAddress, parseAddress } from '../message/address.ts';
import { checkedNameOf, checkMessageType } from '../message/check-message-type.ts';
import type { Contract, ContractKind } from '../message/contract.ts';
import { InvalidOption } from '../message/errors.ts';
import { PRIORITY_MAX } from '../message/limits.ts';
import { checkOption, FLAG, named, oneOf, type Shapes, TEXT } from '../message/option-shapes.ts';
import { written } from '../message/wording.ts';
import type { Routes } from '../routing/route.ts';
import type { SubscriptionStore } from '../routing/subscription-store.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { AcknowledgementRequest, Dispatcher, OutgoingMessage } from '../transport/transport.ts';
import { checkDuration } from './check-duration.ts';
import { checkSchema, type SchemaVerdict } from './check-schema.ts';
import { InvalidBody, WrongMessageKind } from './errors.ts';
import type { AcknowledgementOptions, HandlerSendOptions, SendOptions, Sent } from './handler-context.ts';
import { type Cause, checkId, outgoingHeaders } from './outgoing-headers.ts';
import type { Serializers } from './serializers.ts';

/**
 * A message's way out, in the order of the lines of `send`: check the kind and the options, find the destinations, check
 * the body, write it, make the headers, hand over.
 */
export class OutgoingPipeline {
  readonly #parts: OutgoingParts;
  readonly #replyTo: string | undefined;

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
    const { ownQueue, dispatcher } = parts;
    this.#replyTo = ownQueue === undefined ? undefined : formatAddress({ ...ownQueue, machine: dispatcher.machine });
  }

  /**
   * With `request.attempt`: the message leaves when its transaction commits. Without: resolves when it is durable.
   *
   * @throws {PosthornError} INVALID_BODY, NO_ROUTE, … and what the transport answers: nothing was sent
   */
  async send(request: SendRequest): Promise<Sent> {
    const { verb, type, options, attempt } = request;
    options?.signal?.throwIfAborted();
    const name = checkKind(verb, type);
    if (options !== undefined) checkOptions(verb.name, options);
    const destinations = this.#destinationsOf(request, name);
    const checked = typeof type === 'string' ? undefined : checkBody(type, request.body);
    if (checked instanceof Promise) refuseInvalid(name, await checked);
    else if (checked !== undefined) refuseInvalid(name, checked);
    if (attempt !== undefined && this.#unitOf(request) === undefined) {
      const admission = this.#parts.dispatcher.admission();
      if (admission !== undefined) await admission;
    }
    const messageId = options?.messageId ?? this.#parts.io.random.uuid();
    const messages = this.#build(request, name, messageId, destinations);
    const work = this.#unitOf(request);
    if (messages.length > 0) await this.#parts.dispatcher.dispatch(messages, work);
    return { messageId };
  }

  /** Undefined: the message leaves at once. */
  #unitOf({ attempt, options }: SendRequest): UnitOfWork | undefined {
    const joined = attempt?.unitForSends();
    return options?.dispatch === 'now' ? undefined : joined;
  }

  #destinationsOf(request: SendRequest, name: string): readonly Address[] {
    if (request.destination !== undefined) return [request.destination];
    if (request.verb === PUBLISH) return this.#parts.subscriptions.subscribersOf(name);
    if (request.verb === SEND_LOCAL && this.#parts.ownQueue !== undefined) return [this.#parts.ownQueue];
    const to = request.options?.to;
    return [to === undefined ? this.#parts.routes.destinationOf(name) : parseAddress(to)];
  }

  #build(request: SendRequest, name: string, messageId: string, destinations: readonly Address[]): OutgoingMessage[] {
    const { options, verb } = request;
    const { serializers, io, dispatcher, endpoint } = this.#parts;
    const nowMs = io.clock.wallNowMs();
    const delayMs = delayOf(options, nowMs);
    const headers = outgoingHeaders({
      intent: verb.intent,
      type: name,
      contentType: serializers.writer.contentType,
      messageId,
      correlationId: options?.correlationId,
      replyTo: options?.replyTo ?? this.#replyTo,
      endpoint,
      machine: dispatcher.machine,
      nowMs,
      delayMs,
      cause: request.cause,
      headers: options?.headers,
    });
    const body = serialize(serializers, name, request.body);
    if (options === undefined) return destinations.map((destination) => ({ destination, headers, body }));
    const { priority, timeToBeReceivedMs, timeToReachQueueMs, deadLetter } = options;
    const acknowledge = acknowledgementOf(options);
    return destinations.map((destination) => ({
      destination,
      headers,
      body,
      ...(delayMs > 0 && { delayMs }),
      ...(priority !== undefined && { priority }),
      ...(timeToBeReceivedMs !== undefined && { timeToBeReceivedMs }),
      ...(timeToReachQueueMs !== undefined && { timeToReachQueueMs }),
      ...(acknowledge !== undefined && { acknowledge }),
      ...(deadLetter !== undefined && { deadLetter }),
    }));
  }
}

export interface OutgoingParts {
  readonly io: Io;
  readonly dispatcher: Dispatcher;
  readonly serializers: Serializers;
  readonly routes: Routes;
  readonly subscriptions: SubscriptionStore;
  readonly endpoint: string;
  /** Undefined for a send-only endpoint. */
  readonly ownQueue: Address | undefined;
}

export interface SendRequest {
  readonly verb: Verb;
  readonly type: Contract | string;
  readonly body: unknown;
  readonly options: HandlerSendOptions | undefined;
  /** Where a reply goes. */
  readonly destination?: Address | undefined;
  /** The message whose handler sends. */
  readonly cause?: Cause;
  /** The attempt whose transaction the message joins; undefined: it leaves at once. */
  readonly attempt?: SendingAttempt;
}

export interface SendingAttempt {
  /**
   * The unit that sends join; undefined: each leaves on its own.
   *
   * @throws {TransactionEnded} the attempt is over
   */
  unitForSends(): UnitOfWork | undefined;
}

/** What is done with a message, and the kinds of contract that allow it. */
export interface Verb {
  readonly name: 'send' | 'sendLocal' | 'publish' | 'reply';
  readonly intent: 'Send' | 'Publish' | 'Reply';
  readonly kinds: readonly ContractKind[];
}

export const SEND: Verb = { name: 'send', intent: 'Send', kinds: ['command', 'message'] };
export const SEND_LOCAL: Verb = { name: 'sendLocal', intent: 'Send', kinds: ['command', 'message'] };
export const PUBLISH: Verb = { name: 'publish', intent: 'Publish', kinds: ['event'] };
export const REPLY: Verb = { name: 'reply', intent: 'Reply', kinds: ['message'] };

function checkKind(verb: Verb, type: Contract | string): string {
  if (typeof type === 'string') {
    checkMessageType(type);
    return type;
  }
  if (!verb.kinds.includes(type?.kind)) throw new WrongMessageKind(checkedNameOf(type), type.kind, verb.name);
  return type.name;
}

const OPTION_NAMES: ReadonlySet<string> = new Set([
  'to',
  'headers',
  'delayMs',
  'deliverAt',
  'timeToBeReceivedMs',
  'timeToReachQueueMs',
  'acknowledge',
  'deadLetter',
  'priority',
  'replyTo',
  'correlationId',
  'messageId',
  'signal',
  'dispatch',
] satisfies (keyof HandlerSendOptions)[]);

function checkOptions(verb: string, options: HandlerSendOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOption(`${verb}.options`, `is ${written(options)}`, 'Give an object.');
  }
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.has(name)) throw InvalidOption.unknown(`${verb}.${name}`, [...OPTION_NAMES]);
  }
  const { priority, messageId, correlationId, replyTo } = options;
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX)) {
    throw new InvalidOption(
      'priority',
      `is ${written(priority)}`,
      `Give a whole number from 0 (lowest) to ${PRIORITY_MAX}.`,
    );
  }
  const { delayMs, deliverAt, timeToBeReceivedMs, timeToReachQueueMs, deadLetter, dispatch } = options;
  if (delayMs !== undefined && deliverAt !== undefined) {
    throw new InvalidOption('deliverAt', "is given, and 'delayMs' too", 'Give one of them.');
  }
  if (delayMs !== undefined) checkDuration('delayMs', delayMs);
  if (timeToBeReceivedMs !== undefined) checkDuration('timeToBeReceivedMs', timeToBeReceivedMs);
  if (timeToReachQueueMs !== undefined) checkDuration('timeToReachQueueMs', timeToReachQueueMs);
  if (deadLetter !== undefined) checkOption('deadLetter', deadLetter, FLAG);
  if (dispatch !== undefined && dispatch !== 'now') checkOption('dispatch', dispatch, DISPATCH);
  if (messageId !== undefined) checkId('messageId', messageId);
  if (correlationId !== undefined) checkId('correlationId', correlationId);
  if (replyTo !== undefined) parseAddress(replyTo);
}

/** @throws {InvalidOption} {InvalidAddress} */
function acknowledgementOf({ acknowledge }: SendOptions): AcknowledgementRequest | undefined {
  if (acknowledge === undefined) return undefined;
  checkOption('acknowledge', acknowledge, ACKNOWLEDGE);
  return { ...acknowledge, queue: parseAddress(acknowledge.queue) };
}

const ACKNOWLEDGE = named(
  {
    queue: { ...TEXT, mend: "Write 'queue' or 'queue@machine'." },
    reached: FLAG,
    received: FLAG,
  } satisfies Shapes<AcknowledgementOptions>,
  ['queue'],
);

const DISPATCH = oneOf(['withCommit', 'now']);

function delayOf(options: SendOptions | undefined, nowMs: number): number {
  const deliverAt = options?.deliverAt;
  if (deliverAt === undefined) return options?.delayMs ?? 0;
  const isTime = typeof deliverAt === 'number' || (typeof deliverAt === 'object' && deliverAt !== null);
  const delayMs = isTime ? Number(deliverAt) - nowMs : Number.NaN;
  if (Number.isNaN(delayMs))
    throw new InvalidOption('deliverAt', 'is not a time', 'Give a Date, or Unix time in milliseconds.');
  checkDuration('deliverAt', Math.max(0, delayMs));
  return Math.max(0, delayMs);
}

function checkBody(contract: Contract, body: unknown): SchemaVerdict | Promise<SchemaVerdict> | undefined {
  return contract.schema === undefined ? undefined : checkSchema(contract.schema, body);
}

function refuseInvalid(type: string, verdict: SchemaVerdict): void {
  if (!verdict.isValid) throw new InvalidBody(type, `it does not fit its schema: ${verdict.issues}`);
}

function serialize(serializers: Serializers, type: string, body: unknown): Uint8Array {
  try {
    return serializers.writer.serialize(body);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidBody(type, `the serializer cannot write it: ${why}`, { cause: error });
  }
}
