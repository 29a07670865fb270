import { Header, type Headers } from '../message/headers.ts';
import { parseTimeSpan } from '../message/time-span.ts';
import { headersWith } from './header-search.ts';
import type { WindowEntry } from './receive-window.ts';

/** The two times that a message for another machine may have; each undefined when it has none. */
export interface TimeLimits {
  readonly toReachQueueMs: number | undefined;
  readonly toBeReceivedMs: number | undefined;
}

export function timeLimitsOf(headers: Headers | undefined): TimeLimits {
  return {
    toReachQueueMs: spanOf(headers?.[Header.timeToReachQueue]),
    toBeReceivedMs: spanOf(headers?.[Header.timeToBeReceived]),
  };
}

/** The one that runs out first: in an outgoing queue it makes the deadline. */
export function firstLimitMs({ toReachQueueMs, toBeReceivedMs }: TimeLimits): number | undefined {
  if (toReachQueueMs === undefined || toBeReceivedMs === undefined) return toReachQueueMs ?? toBeReceivedMs;
  return Math.min(toReachQueueMs, toBeReceivedMs);
}

/** What is left of the time to be received of a message in an outgoing queue, at least 0; undefined when it has none. */
export function timeToBeReceivedLeftMs(entry: WindowEntry, nowMs: number): number | undefined {
  if (entry.deadlineMs === undefined) return undefined;
  const headers = headersWith(entry.headers, 'timeToReachQueue');
  if (headers === undefined) return Math.max(0, entry.deadlineMs - nowMs);
  const limits = timeLimitsOf(headers);
  if (limits.toBeReceivedMs === undefined) return undefined;
  // Both began at one moment, which the deadline tells.
  const beganMs = entry.deadlineMs - (firstLimitMs(limits) ?? 0);
  return Math.max(0, beganMs + limits.toBeReceivedMs - nowMs);
}

function spanOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseTimeSpan(text);
}
