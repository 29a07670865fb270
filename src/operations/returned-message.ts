import { type Address, parseAddress } from '../message/address.ts';
import { InvalidAddress } from '../message/errors.ts';
import { Header, type Headers, headersOf } from '../message/headers.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import type { Delivery } from '../transport/transport.ts';
import type { LeftReason } from './return-operation.ts';

/** What becomes of one message that an operator wants to return. */
export type ReturnPlan =
  | { readonly kind: 'return'; readonly destination: Address; readonly headers: Headers }
  /** The message failed because its headers could not be read: it goes back byte for byte as it came. */
  | { readonly kind: 'returnBytes'; readonly destination: Address; readonly headerBytes: Uint8Array }
  | { readonly kind: 'leave'; readonly reason: LeftReason; readonly text: string };

/**
 * Decides; changes nothing. `to` overrides where the message came from.
 *
 * A failed message that became a dead letter on its way to the error queue of another machine goes there again, with its
 * failure: dead-lettering was the last that happened to it.
 */
export function planReturn(message: BrowsedMessage, delivery: Delivery, to: string | undefined): ReturnPlan {
  if (delivery.isDamaged) return leave('damaged', 'its stored bytes do not match their checksum');
  const source = to ?? message.headers?.[Header.deadLetterQueue] ?? message.headers?.[Header.failedQueue];
  if (source === undefined) return leave('noSource', `it has no header ${Header.failedQueue}; name a queue with --to`);
  const destination = readAddress(source);
  if (destination === undefined)
    return leave('noSource', `'${source.slice(0, 80)}' is not an address; name a queue with --to`);
  if (message.headers === undefined) return { kind: 'returnBytes', destination, headerBytes: delivery.headers };
  if (to === undefined && message.headers[Header.deadLetterQueue] !== undefined && hasFailed(message.headers)) {
    return { kind: 'return', destination, headers: withoutDeadLetterHeaders(message.headers) };
  }
  const undecodable = message.headers[Header.undecodableHeaders];
  if (undecodable !== undefined) {
    return { kind: 'returnBytes', destination, headerBytes: Buffer.from(undecodable, 'base64') };
  }
  return { kind: 'return', destination, headers: headersForReturn(message.headers) };
}

/** The headers without what failing, or being dead-lettered, added: the message gets its full retries again. */
export function headersForReturn(headers: Headers): Headers {
  const kept: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (!ADDED_BY_FAILURE.has(name) && !name.startsWith(EXCEPTION_PREFIX)) kept[name] = value;
  }
  return kept;
}

function hasFailed(headers: Headers): boolean {
  return headers[Header.failedQueue] !== undefined;
}

function withoutDeadLetterHeaders(headers: Headers): Headers {
  const kept = headersOf(headers);
  for (const name of ADDED_BY_DEAD_LETTERING) delete kept[name];
  return kept;
}

const ADDED_BY_DEAD_LETTERING = [Header.deadLetterReason, Header.deadLetterQueue, Header.deadLetterText] as const;

const EXCEPTION_PREFIX = 'NServiceBus.ExceptionInfo.';

const ADDED_BY_FAILURE: ReadonlySet<string> = new Set([
  Header.delayedRetries,
  Header.delayedRetriesTimestamp,
  'NServiceBus.FLRetries',
  Header.failedQueue,
  Header.timeOfFailure,
  Header.failureReason,
  Header.attempts,
  Header.deaths,
  Header.undecodableHeaders,
  ...ADDED_BY_DEAD_LETTERING,
]);

function leave(reason: LeftReason, text: string): ReturnPlan {
  return { kind: 'leave', reason, text };
}

function readAddress(text: string): Address | undefined {
  try {
    return parseAddress(text);
  } catch (error) {
    if (error instanceof InvalidAddress) return undefined;
    throw error;
  }
}
