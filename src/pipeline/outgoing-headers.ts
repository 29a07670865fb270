import { checkHeaders } from '../message/check-headers.ts';
import { InvalidHeader, InvalidOption, MessageTooLarge } from '../message/errors.ts';
import { Header, type Headers } from '../message/headers.ts';
import { MESSAGE_HEADER_BYTES_MAX, MESSAGE_ID_LENGTH_MAX } from '../message/limits.ts';
import { formatTimestamp } from '../message/timestamp.ts';

/** What the headers of a new message are made of. */
export interface OutgoingFacts {
  readonly intent: 'Send' | 'Publish' | 'Reply';
  readonly type: string;
  readonly contentType: string;
  readonly messageId: string;
  readonly correlationId: string | undefined;
  /** Undefined: a send-only endpoint takes no replies. */
  readonly replyTo: string | undefined;
  readonly endpoint: string;
  readonly machine: string;
  readonly nowMs: number;
  /** 0: at once. */
  readonly delayMs: number;
  /** The message whose handler sends; undefined outside handlers. */
  readonly cause: Cause | undefined;
  /** The sender's own. */
  readonly headers: Headers | undefined;
}

export interface Cause {
  readonly messageId: string;
  readonly correlationId: string | undefined;
  readonly conversationId: string | undefined;
}

/**
 * The headers of a new message, with NServiceBus' rules for ids: a handler's sends carry on its conversation and its
 * correlation, and say which message they come from.
 *
 * @throws {InvalidHeader} {MessageTooLarge} for headers that the sender handed in
 */
export function outgoingHeaders(facts: OutgoingFacts): Headers {
  const { cause, messageId } = facts;
  const headers: Record<string, string> = {
    [Header.messageId]: messageId,
    [Header.messageIntent]: facts.intent,
    [Header.enclosedMessageTypes]: facts.type,
    [Header.contentType]: facts.contentType,
    [Header.correlationId]: facts.correlationId ?? cause?.correlationId ?? cause?.messageId ?? messageId,
    [Header.conversationId]: cause?.conversationId ?? messageId,
    [Header.originatingEndpoint]: facts.endpoint,
    [Header.originatingMachine]: facts.machine,
    [Header.timeSent]: formatTimestamp(facts.nowMs),
  };
  if (facts.replyTo !== undefined) headers[Header.replyToAddress] = facts.replyTo;
  if (cause !== undefined) headers[Header.relatedTo] = cause.messageId;
  if (facts.delayMs > 0) headers[Header.deliverAt] = formatTimestamp(facts.nowMs + facts.delayMs);
  return facts.headers === undefined ? headers : withOwnHeaders(headers, facts.headers);
}

/** @throws {InvalidOption} an id that tools could not name */
export function checkId(option: 'messageId' | 'correlationId', id: string): void {
  if (typeof id === 'string' && id.length > 0 && id.length <= MESSAGE_ID_LENGTH_MAX) return;
  throw new InvalidOption(option, 'is not an id', `Give 1 to ${MESSAGE_ID_LENGTH_MAX} characters.`);
}

/** Headers that say what Posthorn itself says or decides; a sender's own word there would be believed by tools. */
const RESERVED: ReadonlySet<string> = new Set(
  Object.entries(Header)
    .filter(([key]) => key !== 'conversationId')
    .map(([, name]) => name),
);

function withOwnHeaders(headers: Record<string, string>, own: Headers): Headers {
  checkHeaders(own);
  for (const name of Object.keys(own)) {
    if (RESERVED.has(name) || name.startsWith(Header.exceptionData)) {
      throw new InvalidHeader(name, 'Posthorn sets it itself; ids, delays and addresses have options of their own');
    }
    headers[name] = own[name] as string; // listed by keys, and checked to be text
  }
  const bytes = Buffer.byteLength(JSON.stringify(headers));
  if (bytes > MESSAGE_HEADER_BYTES_MAX) throw new MessageTooLarge('headers', bytes, MESSAGE_HEADER_BYTES_MAX);
  return headers;
}
