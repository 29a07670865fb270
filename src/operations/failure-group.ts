import { createHash } from 'node:crypto';
import { Header, type Headers } from '../message/headers.ts';
import { parseTimestamp } from '../message/timestamp.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import { SUMMARY_TEXT_LENGTH_MAX } from './limits.ts';
import { firstOwnFrame } from './stack-frame.ts';

/** Failed messages with the same cause: exception type, first stack frame of the user's own code, message type. */
export interface FailureGroup extends FailureCause {
  readonly count: number;
  /** Unix milliseconds; undefined when no message of the group says when it failed. */
  readonly firstFailureMs: number | undefined;
  readonly lastFailureMs: number | undefined;
  /** One message of the group, and the text of its exception. */
  readonly exampleId: string;
  readonly exampleText: string;
}

export interface FailureCause {
  /** Twelve hexadecimal digits, the same for the same cause wherever and whenever it is computed. */
  readonly id: string;
  /** Or the reason, when no exception was the cause; of a dead letter, why it is one. */
  readonly exceptionType: string;
  /** `function (file:line)`; empty when the stack shows none. */
  readonly frame: string;
  readonly messageType: string;
}

/** The group that a failed message belongs to. */
export function failureGroupOf(headers: Headers | undefined): FailureCause {
  const exceptionType =
    headers?.[Header.exceptionType] ??
    headers?.[Header.failureReason] ??
    headers?.[Header.deadLetterReason] ??
    'unknown';
  const messageType = headers?.[Header.enclosedMessageTypes]?.split(';')[0]?.trim() ?? 'unknown';
  const frame = firstOwnFrame(headers?.[Header.exceptionStackTrace] ?? '');
  const id = createHash('sha256')
    .update(JSON.stringify([exceptionType, frame, messageType]))
    .digest('hex')
    .slice(0, 12);
  return { id, exceptionType, frame, messageType };
}

/** Counts messages into `groups`. */
export function countIntoGroups(groups: Map<string, FailureGroup>, messages: Iterable<BrowsedMessage>): void {
  for (const message of messages) {
    const failedMs = parseTimestamp(message.headers?.[Header.timeOfFailure] ?? '');
    addToGroups(groups, {
      ...failureGroupOf(message.headers),
      count: 1,
      firstFailureMs: failedMs,
      lastFailureMs: failedMs,
      exampleId: message.id,
      exampleText: (message.headers?.[Header.exceptionMessage] ?? message.headers?.[Header.deadLetterText] ?? '').slice(
        0,
        SUMMARY_TEXT_LENGTH_MAX,
      ),
    });
  }
}

/** Adds a group of one page to those of the pages before. The example stays that of the first. */
export function addToGroups(groups: Map<string, FailureGroup>, group: FailureGroup): void {
  const known = groups.get(group.id);
  if (known === undefined) {
    groups.set(group.id, group);
    return;
  }
  groups.set(group.id, {
    ...known,
    count: known.count + group.count,
    firstFailureMs: earlier(known.firstFailureMs, group.firstFailureMs),
    lastFailureMs: later(known.lastFailureMs, group.lastFailureMs),
  });
}

function earlier(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? (left ?? right) : Math.min(left, right);
}

function later(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? (left ?? right) : Math.max(left, right);
}
