import type { MessageFilter } from './message-filter.ts';

/**
 * A return-to-source, stored as state `operation/ID` and changed only in the unit of work that returns a page of messages:
 *
 *     running ──last page──▶ finished
 *        └────cancel───────▶ cancelled
 *
 * Invariants
 * - `cursor` and `counts` speak of exactly the messages whose units have committed. Whatever dies, the operation goes on
 *   behind the last committed page: no message is returned twice, none is passed over.
 * - A message that fails again after its return comes back to the error queue with a sequence above `sequenceMax`, so it is
 *   not returned a second time by the same operation.
 */
export interface ReturnOperation {
  /** Sorts by the time of its start. */
  readonly id: string;
  readonly state: 'running' | 'finished' | 'cancelled';
  readonly errorQueue: string;
  /** `queue` or `queue@machine` instead of where each message failed. */
  readonly to: string | undefined;
  readonly filter: MessageFilter;
  /** Upper position at the start, inclusive: what failed later is not part of this operation. */
  readonly sequenceMax: number;
  /** Position of the last message looked at; undefined before the first page. */
  readonly cursor: number | undefined;
  /** Messages in the queue at the start: the most that there is to look at. */
  readonly total: number;
  readonly lookedAt: number;
  readonly returned: number;
  /** Messages that were meant and left where they are, by reason. */
  readonly left: Readonly<Partial<Record<LeftReason, number>>>;
  /** The first of them. */
  readonly leftExamples: readonly { readonly id: string; readonly reason: LeftReason; readonly text: string }[];
  /** Unix milliseconds. */
  readonly startedMs: number;
  readonly updatedMs: number;
}

/** Why a message that was meant stays where it is. */
export type LeftReason =
  /** It does not say where it failed. Mend: `--to`. */
  | 'noSource'
  /** A receiver, or another operation, holds it. */
  | 'locked'
  /** Its stored bytes do not match their checksum. */
  | 'damaged'
  /** The destination refused it, a queue of this machine or an outgoing queue: it is full, say. */
  | 'refused';

export const OPERATION_PREFIX = 'operation/';

export function operationKey(id: string): string {
  return `${OPERATION_PREFIX}${id}`;
}

export function encodeReturnOperation(operation: ReturnOperation): string {
  return JSON.stringify(operation);
}

/** Undefined when the stored text is not an operation: it is passed over, and removed when room is made. */
export function decodeReturnOperation(text: string): ReturnOperation | undefined {
  let decoded: unknown;
  try {
    decoded = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isReturnOperation(decoded) ? decoded : undefined;
}

function isReturnOperation(value: unknown): value is ReturnOperation {
  if (typeof value !== 'object' || value === null) return false;
  const { id, state, errorQueue, filter, sequenceMax, startedMs } = value as Partial<ReturnOperation>;
  const isState = state === 'running' || state === 'finished' || state === 'cancelled';
  const hasFilter = typeof filter === 'object' && filter !== null;
  return (
    isState &&
    hasFilter &&
    typeof id === 'string' &&
    typeof errorQueue === 'string' &&
    typeof sequenceMax === 'number' &&
    typeof startedMs === 'number'
  );
}

/** How many of the messages that were meant stayed. */
export function leftCount(operation: ReturnOperation): number {
  return Object.values(operation.left).reduce((sum, count) => sum + count, 0);
}
