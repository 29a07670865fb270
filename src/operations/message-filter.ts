import { Header, type Headers } from '../message/headers.ts';
import { parseTimestamp } from '../message/timestamp.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import { InvalidFilter } from './errors.ts';
import { failureGroupOf } from './failure-group.ts';
import { FILTER_ID_COUNT_MAX, FILTER_TEXT_LENGTH_MAX, SEARCHED_BODY_BYTES_MAX } from './limits.ts';

/** Which messages an operator means: those for which everything that is given here holds. Texts are compared without regard to case. */
export interface MessageFilter {
  /** Whole ids. A message that two queues failed to handle stands twice under one id; both are meant. */
  readonly ids?: readonly string[] | undefined;
  /** A message type: its whole name, or the part after the last dot. */
  readonly type?: string | undefined;
  /** A part of the exception's type or of its text. */
  readonly exception?: string | undefined;
  /** Ids of failure groups, as `groupFailures` gives them; of any of them. */
  readonly groups?: readonly string[] | undefined;
  /** Why it is a dead letter: the class, as `NACK_BAD_DST_Q`, or a part of it or of its text. */
  readonly deadLetterReason?: string | undefined;
  /** The queue where it failed, or that a dead letter was meant for; with or without the machine. */
  readonly failedQueue?: string | undefined;
  /** Failed (or, when it did not fail, was sent) longer ago than this. */
  readonly olderThanMs?: number | undefined;
  /** Failed (or was sent) at most this long ago. */
  readonly newerThanMs?: number | undefined;
  /** A part of a header's value. */
  readonly text?: string | undefined;
  /** Looks for `text` in the first 256 KiB of the body too. */
  readonly searchesBodies?: boolean | undefined;
}

/**
 * Makes the test that says whether a message is meant. Ages count back from `asOfWallMs`.
 *
 * @throws {InvalidFilter} when the filter itself is beyond its limits
 */
export function messageMatcher(filter: MessageFilter, asOfWallMs: number): (message: BrowsedMessage) => boolean {
  const tests = testsOf(checkFilter(filter), asOfWallMs);
  return (message) => tests.every((test) => test(message));
}

/** True when telling whether a message is meant takes its body. */
export function needsBodies(filter: MessageFilter | undefined): boolean {
  return filter?.text !== undefined && filter.searchesBodies === true;
}

type Test = (message: BrowsedMessage) => boolean;

function testsOf(filter: MessageFilter, asOfWallMs: number): Test[] {
  const tests: Test[] = [];
  const {
    ids,
    type,
    exception,
    groups,
    failedQueue,
    olderThanMs,
    newerThanMs,
    text,
    searchesBodies,
    deadLetterReason,
  } = filter;
  if (ids !== undefined) {
    const wanted = new Set(ids);
    tests.push((message) => wanted.has(message.id));
  }
  if (olderThanMs !== undefined) tests.push((message) => happenedAtMs(message.headers) < asOfWallMs - olderThanMs);
  if (newerThanMs !== undefined) tests.push((message) => happenedAtMs(message.headers) >= asOfWallMs - newerThanMs);
  if (type !== undefined) tests.push((message) => hasType(message.headers, type.toLowerCase()));
  if (exception !== undefined) tests.push((message) => hasException(message.headers, exception.toLowerCase()));
  if (failedQueue !== undefined) tests.push((message) => failedIn(message.headers, failedQueue.toLowerCase()));
  if (deadLetterReason !== undefined) {
    const wanted = deadLetterReason.toLowerCase();
    tests.push((message) => isDeadLetterFor(message.headers, wanted));
  }
  if (groups !== undefined) tests.push((message) => groups.includes(failureGroupOf(message.headers).id));
  if (text !== undefined) {
    const wanted = text.toLowerCase();
    tests.push(
      (message) => inHeaders(message.headers, wanted) || (searchesBodies === true && inBody(message.body, wanted)),
    );
  }
  return tests;
}

/** When the message failed, else when it was sent, in Unix milliseconds; NaN, which no age fits, when neither is known. */
function happenedAtMs(headers: Headers | undefined): number {
  const text = headers?.[Header.timeOfFailure] ?? headers?.[Header.timeSent];
  return (text === undefined ? undefined : parseTimestamp(text)) ?? Number.NaN;
}

function hasType(headers: Headers | undefined, wanted: string): boolean {
  const types = headers?.[Header.enclosedMessageTypes]?.toLowerCase().split(';') ?? [];
  return types.some((type) => type.trim() === wanted || type.trim().endsWith(`.${wanted}`));
}

function hasException(headers: Headers | undefined, wanted: string): boolean {
  if (headers === undefined) return false;
  const texts = [headers[Header.exceptionType], headers[Header.exceptionMessage], headers[Header.failureReason]];
  return texts.some((text) => text?.toLowerCase().includes(wanted) === true);
}

function isDeadLetterFor(headers: Headers | undefined, wanted: string): boolean {
  const texts = [headers?.[Header.deadLetterReason], headers?.[Header.deadLetterText]];
  return texts.some((text) => text?.toLowerCase().includes(wanted) === true);
}

function failedIn(headers: Headers | undefined, wanted: string): boolean {
  const queues = [headers?.[Header.failedQueue], headers?.[Header.deadLetterQueue]];
  return queues.some((queue) => {
    const name = queue?.toLowerCase();
    return name !== undefined && (name === wanted || name.split('@')[0] === wanted);
  });
}

function inHeaders(headers: Headers | undefined, wanted: string): boolean {
  return headers !== undefined && Object.values(headers).some((value) => value.toLowerCase().includes(wanted));
}

function inBody(body: Uint8Array | undefined, wanted: string): boolean {
  if (body === undefined) return false;
  const searched = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, SEARCHED_BODY_BYTES_MAX));
  return searched.toString('utf8').toLowerCase().includes(wanted);
}

function checkFilter(filter: MessageFilter): MessageFilter {
  for (const name of ['ids', 'groups'] as const) {
    const names = filter[name];
    if (names !== undefined && !(Array.isArray(names) && names.every((each) => typeof each === 'string'))) {
      throw new InvalidFilter(name, 'is not a list of texts');
    }
    const count = names?.length ?? 1;
    if (count === 0) throw new InvalidFilter(name, 'names nothing');
    if (count > FILTER_ID_COUNT_MAX) {
      throw new InvalidFilter(name, `names ${count}, at most ${FILTER_ID_COUNT_MAX} are allowed`);
    }
  }
  for (const name of ['type', 'exception', 'failedQueue', 'deadLetterReason', 'text'] as const) {
    const text = filter[name];
    if (text !== undefined && typeof text !== 'string') throw new InvalidFilter(name, 'is not a text');
    const length = text?.length ?? 1;
    if (length === 0) throw new InvalidFilter(name, 'is empty');
    if (length > FILTER_TEXT_LENGTH_MAX) {
      throw new InvalidFilter(name, `has ${length} characters, at most ${FILTER_TEXT_LENGTH_MAX} are allowed`);
    }
  }
  for (const name of ['olderThanMs', 'newerThanMs'] as const) {
    const value = filter[name];
    if (value !== undefined && !(value >= 0)) throw new InvalidFilter(name, `is ${value}, which is not a time span`);
  }
  return filter;
}
