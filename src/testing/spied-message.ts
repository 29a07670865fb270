import { Header, type Headers } from '../message/headers.ts';

/** A message that was sent and became durable, as a test sees it. */
export interface SpiedMessage<Body = unknown> {
  readonly messageId: string;
  /** Name of its type; empty when it has none. */
  readonly type: string;
  /** `subscribe` and `unsubscribe` are what endpoints ask of publishers on other machines. */
  readonly intent: 'send' | 'publish' | 'reply' | 'subscribe' | 'unsubscribe';
  /** As it travels: JSON is read, other content types are given as bytes. */
  readonly body: Body;
  readonly headers: Headers;
  /** Name of the endpoint that sent it. */
  readonly from: string;
  /** Queues it went to, `queue@machine` for one of another machine, in that order; none for an event that nobody subscribed to. */
  readonly to: readonly string[];
}

/** A message that stands in a queue now. */
export interface WaitingMessage<Body = unknown> {
  readonly messageId: string;
  readonly type: string;
  readonly body: Body;
  readonly headers: Headers;
  readonly priority: number;
  /** True when a handler has it at the moment. */
  readonly isLocked: boolean;
}

/** A message that a handler has handled, and whose transaction committed. */
export interface HandledMessage<Body = unknown> {
  readonly messageId: string;
  readonly type: string;
  readonly body: Body;
  readonly endpoint: string;
  /** Over all retries, the one that succeeded included. */
  readonly attempts: number;
}

/** A message in an error queue, and why it is there. */
export interface FailedMessage<Body = unknown> {
  readonly messageId: string;
  readonly type: string;
  readonly body: Body;
  readonly headers: Headers;
  readonly errorQueue: string;
  /** `queue@machine` where it failed. */
  readonly failedQueue: string;
  /** `HandlerFailed`, `SchemaInvalid`, …: see `FailureReason`. */
  readonly reason: string;
  readonly exceptionType: string;
  readonly exceptionMessage: string;
  readonly attempts: number;
}

/** The first, most specific of the types that a message names. */
export function typeOf(headers: Headers | undefined): string {
  return headers?.[Header.enclosedMessageTypes]?.split(';')[0]?.trim() ?? '';
}

/** The body as it travels; bytes when it is not JSON that can be read. */
export function bodyOf(headers: Headers | undefined, bytes: Uint8Array): unknown {
  if (headers?.[Header.contentType] !== 'application/json') return bytes;
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    // An undecodable body is what some tests are about: they get it as it is.
    return bytes;
  }
}
