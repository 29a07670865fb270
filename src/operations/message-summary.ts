import { Header, type Headers } from '../message/headers.ts';
import { parseTimestamp } from '../message/timestamp.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import { failureGroupOf } from './failure-group.ts';
import { BODY_PREVIEW_BYTES_MAX, SUMMARY_TEXT_LENGTH_MAX } from './limits.ts';

/** A message in a list. */
export interface MessageSummary {
  /** Its message id; `position:N` for one whose headers cannot be read. */
  readonly id: string;
  readonly position: number;
  readonly priority: number;
  /** First of `NServiceBus.EnclosedMessageTypes`. */
  readonly messageType: string | undefined;
  readonly bodyBytes: number;
  /** Held by a receiver, or by another operator's page of work. */
  readonly isLocked: boolean;
  /** Unix milliseconds. */
  readonly sentMs: number | undefined;
  /** Unix milliseconds, of a delayed message. */
  readonly dueMs: number | undefined;
  readonly failure: FailureSummary | undefined;
  readonly deadLetter: DeadLetterSummary | undefined;
  /** The beginning of the body, when it was asked for. */
  readonly preview: Uint8Array | undefined;
}

/** Why a message stands in the dead-letter queue. */
export interface DeadLetterSummary {
  /** MSMQ's class: `NACK_BAD_DST_Q`, … */
  readonly reason: string;
  /** `queue@machine` that it was meant for. */
  readonly source: string | undefined;
  /** What happened, in a sentence, when whoever refused it said so. */
  readonly text: string | undefined;
}

/** Why a message stands in an error queue. */
export interface FailureSummary {
  readonly exceptionType: string;
  /** The beginning of the exception's text. */
  readonly text: string;
  readonly reason: string;
  /** `queue@machine`; undefined when the message does not say where it failed, so cannot be returned without `--to`. */
  readonly failedQueue: string | undefined;
  /** Unix milliseconds. */
  readonly failedMs: number | undefined;
  readonly attempts: number | undefined;
  readonly group: string;
}

/** One message, whole. */
export interface MessageDetails extends MessageSummary {
  /** Undefined when the stored header bytes cannot be read. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array;
}

export function summarizeMessage(message: BrowsedMessage): MessageSummary {
  const headers = message.headers;
  return {
    id: message.id,
    position: message.position,
    priority: message.priority,
    messageType: headers?.[Header.enclosedMessageTypes]?.split(';')[0]?.trim(),
    bodyBytes: message.bodyBytes,
    isLocked: message.isLocked,
    sentMs: timeIn(headers, Header.timeSent),
    dueMs: message.dueMs,
    failure: summarizeFailure(headers),
    deadLetter: summarizeDeadLetter(headers),
    preview: message.body?.slice(0, BODY_PREVIEW_BYTES_MAX),
  };
}

export function detailMessage(message: BrowsedMessage): MessageDetails {
  return {
    ...summarizeMessage(message),
    headers: message.headers === undefined ? undefined : { ...message.headers },
    body: message.body ?? new Uint8Array(),
  };
}

function summarizeFailure(headers: Headers | undefined): FailureSummary | undefined {
  if (headers === undefined) return undefined;
  const failedQueue = headers[Header.failedQueue];
  const reason = headers[Header.failureReason];
  if (failedQueue === undefined && reason === undefined && headers[Header.exceptionType] === undefined)
    return undefined;
  const group = failureGroupOf(headers);
  const attempts = Number(headers[Header.attempts]);
  return {
    exceptionType: group.exceptionType,
    text: (headers[Header.exceptionMessage] ?? '').slice(0, SUMMARY_TEXT_LENGTH_MAX),
    reason: reason ?? 'HandlerFailed',
    failedQueue,
    failedMs: timeIn(headers, Header.timeOfFailure),
    attempts: Number.isSafeInteger(attempts) && attempts > 0 ? attempts : undefined,
    group: group.id,
  };
}

function summarizeDeadLetter(headers: Headers | undefined): MessageSummary['deadLetter'] {
  const reason = headers?.[Header.deadLetterReason];
  if (reason === undefined) return undefined;
  const text = headers?.[Header.deadLetterText]?.slice(0, SUMMARY_TEXT_LENGTH_MAX);
  return { reason, source: headers?.[Header.deadLetterQueue], text };
}

function timeIn(headers: Headers | undefined, name: string): number | undefined {
  const text = headers?.[name];
  return text === undefined ? undefined : parseTimestamp(text);
}
