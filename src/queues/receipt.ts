import { type Operation, positionOf, priorityOf } from '../store/store.ts';
import { attemptsKey } from './attempts.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';

/**
 * A received message leaves its queue for good: into the journal when the queue keeps one, and its counts of attempts with
 * it. Returns the journal that it goes into.
 */
export function contributeReceipt(
  queue: Queue,
  { position, byteCount }: ReceivedMessage,
  owner: { nextSequence(): number },
  operations: Operation[],
): Place | undefined {
  const place = queue.waiting.id;
  const journal = queue.settings.journal === true ? queue.journal : undefined;
  if (journal === undefined) {
    operations.push({ kind: 'remove', place, position, byteCount });
  } else {
    const toPosition = positionOf(priorityOf(position), owner.nextSequence());
    operations.push({ kind: 'move', place, position, toPlace: journal.id, toPosition });
  }
  if (queue.attempts.has(position)) operations.push({ kind: 'deleteState', key: attemptsKey(place, position) });
  return journal;
}

/** What `contributeReceipt` gave was committed; `journal` is what it returned. */
export function receiptCommitted(
  queue: Queue,
  { position, byteCount }: ReceivedMessage,
  journal: Place | undefined,
): void {
  queue.gone(position, byteCount);
  journal?.added(byteCount);
}

export interface ReceivedMessage {
  readonly position: number;
  /** Headers and body. */
  readonly byteCount: number;
}
