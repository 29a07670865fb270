import { type FailureReason, Header, type Headers, headersOf } from '../message/headers.ts';
import { FAILURE_HEADER_BYTES_RESERVED, MESSAGE_HEADER_BYTES_MAX } from '../message/limits.ts';
import { formatTimestamp } from '../message/timestamp.ts';
import { exceptionHeaders, typeNameOf } from './exception-headers.ts';

/** What is told about a failure on the copy in the error queue. */
export interface FailureRecord {
  readonly error: Error;
  readonly reason: FailureReason;
  /** `queue@machine` where it failed; return-to-source sends it there. */
  readonly failedQueue: string;
  readonly failedAtMs: number;
  readonly endpoint: string;
  readonly machine: string;
  readonly hostId: string;
  readonly attempts: number;
  readonly deaths: number;
  readonly messageId: string;
  /** As they arrived; undefined when they could not be read. */
  readonly originalHeaders: Headers | undefined;
  /** As stored; kept in base64 when they could not be read. */
  readonly originalHeaderBytes: Uint8Array;
}

/**
 * The headers of a message that goes to the error queue: its own, and NServiceBus' own about the failure.
 *
 * They always fit: what does not is left out from the least important on, so that a message near the limit cannot fail
 * for ever on the way to the error queue (NServiceBus issue 526). Retry counters and a time-to-be-received go, so that
 * the copy neither expires nor comes back with its retries used up.
 */
export function failureHeaders(record: FailureRecord): Headers {
  const own = ownHeaders(record);
  const essential = essentialHeaders(record);
  const exception = exceptionHeaders(record.error);
  const withoutStack = { ...exception };
  delete withoutStack[Header.exceptionStackTrace];
  const choices = [
    () => headersOf({ ...own, ...exception, ...essential }),
    () => headersOf({ ...own, ...withoutStack, ...essential }),
    () => headersOf({ ...own, ...essential }),
    () => headersOf({ ...identityOf(own), ...essential }),
  ];
  for (const choice of choices) {
    const headers = choice();
    if (headerBytesOf(headers) <= HEADER_BYTES_MAX) return headers;
  }
  return headersOf(essential);
}

/** Bytes of headers as they are stored. */
export function headerBytesOf(headers: Headers): number {
  return Buffer.byteLength(JSON.stringify(headers));
}

/** Headers of the same message put back with a delay. */
export function delayedRetryHeaders(headers: Headers, counts: RetryCounts, nowMs: number): Headers {
  const retried = headersOf({
    ...headers,
    [Header.delayedRetries]: String(counts.delayedRetries),
    [Header.delayedRetriesTimestamp]: formatTimestamp(nowMs),
    [Header.attempts]: String(counts.attempts),
  });
  if (counts.deaths > 0) retried[Header.deaths] = String(counts.deaths);
  return retried;
}

/** What a message has behind it, carried in its headers from one round to the next. */
export interface RetryCounts {
  readonly delayedRetries: number;
  readonly attempts: number;
  readonly deaths: number;
}

/** Reads what `delayedRetryHeaders` wrote; headers come from outside, so anything but a count reads as 0. */
export function retryCountsOf(headers: Headers | undefined): RetryCounts {
  return {
    delayedRetries: countOf(headers?.[Header.delayedRetries]),
    attempts: countOf(headers?.[Header.attempts]),
    deaths: countOf(headers?.[Header.deaths]),
  };
}

function countOf(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/** Headers of the same message as if it had never failed, for one that goes elsewhere or comes back later on purpose. */
export function withoutFailureHeaders(headers: Headers): Record<string, string> {
  const kept = headersOf({});
  for (const name of Object.keys(headers)) {
    if (!isFailureHeader(name)) kept[name] = headers[name] as string; // listed by keys on the line above
  }
  return kept;
}

const HEADER_BYTES_MAX = MESSAGE_HEADER_BYTES_MAX + FAILURE_HEADER_BYTES_RESERVED;
/** Base64 of headers that could not be read is cut to this, so that it fits beside the rest. */
const UNDECODABLE_BASE64_LENGTH_MAX = HEADER_BYTES_MAX - 48 * 1024;

const EXCEPTION_PREFIX = 'NServiceBus.ExceptionInfo.';
const FAILURE_HEADERS: ReadonlySet<string> = new Set([
  Header.delayedRetries,
  Header.delayedRetriesTimestamp,
  Header.timeToBeReceived,
  Header.timeToReachQueue,
  // Answered when the message was received: nobody hears of its copies.
  Header.administrationQueue,
  Header.acknowledge,
  Header.failedQueue,
  Header.timeOfFailure,
  Header.processingEndpoint,
  Header.processingMachine,
  Header.failureReason,
  Header.attempts,
  Header.deaths,
]);

function isFailureHeader(name: string): boolean {
  return FAILURE_HEADERS.has(name) || name.startsWith(EXCEPTION_PREFIX);
}

function ownHeaders(record: FailureRecord): Record<string, string> {
  if (record.originalHeaders !== undefined) return withoutFailureHeaders(record.originalHeaders);
  const base64 = Buffer.from(record.originalHeaderBytes).toString('base64');
  return headersOf({ [Header.undecodableHeaders]: base64.slice(0, UNDECODABLE_BASE64_LENGTH_MAX) });
}

/** What tools and return-to-source cannot do without; about 1.5 KiB. */
function essentialHeaders(record: FailureRecord): Record<string, string> {
  const headers: Record<string, string> = {
    [Header.messageId]: record.messageId,
    [Header.failedQueue]: record.failedQueue,
    [Header.timeOfFailure]: formatTimestamp(record.failedAtMs),
    [Header.exceptionType]: typeNameOf(record.error),
    [Header.failureReason]: record.reason,
    [Header.attempts]: String(record.attempts),
    [Header.processingEndpoint]: record.endpoint,
    [Header.processingMachine]: record.machine,
    [Header.hostId]: record.hostId,
    [Header.hostDisplayName]: record.machine,
  };
  if (record.deaths > 0) headers[Header.deaths] = String(record.deaths);
  return headers;
}

const IDENTITY: readonly string[] = [
  Header.correlationId,
  Header.conversationId,
  Header.relatedTo,
  Header.messageIntent,
  Header.replyToAddress,
  Header.enclosedMessageTypes,
  Header.contentType,
  Header.timeSent,
  Header.originatingEndpoint,
  Header.originatingMachine,
];

function identityOf(own: Headers): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of IDENTITY) {
    const value = own[name];
    if (value !== undefined) kept[name] = value.slice(0, 1024);
  }
  return kept;
}
