import { type Address, parseAddress } from '../message/address.ts';
import { InvalidAddress } from '../message/errors.ts';
import { Header, type Headers } from '../message/headers.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import type { Delivery } from '../transport/transport.ts';
import type { LeftReason } from './return-operation.ts';

/** What becomes of one message that an operator wants to return. */
export type ReturnPlan =
  | { readonly kind: 'return'; readonly destination: Address; readonly headers: Headers }
  /** The message failed because its headers could not be read: it goes back byte for byte as it came. */
  | { readonly kind: 'returnBytes'; readonly destination: Address; readonly headerBytes: Uint8Array }
  | { readonly kind: 'leave'; readonly reason: LeftReason; readonly text: string };

/** Decides; changes nothing. `to` overrides where the message came from. */
export function planReturn(message: BrowsedMessage, delivery: Delivery, to: string | undefined): ReturnPlan {
  if (delivery.isDamaged) return leave('damaged', 'its stored bytes do not match their checksum');
  const source = to ?? message.headers?.[Header.failedQueue] ?? message.headers?.[Header.deadLetterQueue];
  if (source === undefined) return leave('noSource', `it has no header ${Header.failedQueue}; name a queue with --to`);
  const destination = readAddress(source);
  if (destination === undefined)
    return leave('noSource', `'${source.slice(0, 80)}' is not an address; name a queue with --to`);
  if (message.headers === undefined) return { kind: 'returnBytes', destination, headerBytes: delivery.headers };
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
  Header.deadLetterReason,
  Header.deadLetterQueue,
  Header.deadLetterText,
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
