import type { Store } from '../store/store.ts';
import { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { DeadLetter } from './dead-letters.ts';
import type { Queue } from './queue.ts';
import type { WindowEntry } from './receive-window.ts';
import { TakenDelivery } from './taken-delivery.ts';

/**
 * Moves a damaged message of an outgoing queue into the dead-letter queue: over the wire its bytes would get a checksum
 * that fits them, and nobody could tell any more. Until it is gone it counts as held by somebody else, so that nothing
 * behind it is sent; when that fails it is given back after a pause, and met again.
 */
export async function setAside(queue: Queue, entry: WindowEntry, store: Store, owner: SetAsideOwner): Promise<void> {
  const { position, headers, body, deadlineMs } = entry;
  const stored = {
    place: queue.waiting.id,
    position,
    deadlineMs,
    headers,
    body,
    bodyBytes: body.byteLength,
    damaged: true,
  };
  const delivery = new TakenDelivery(queue, queue.waiting, stored, (dueMs) => owner.deadlineSet(dueMs));
  const work = new UnitOfWork(store);
  try {
    delivery.complete(work);
    const text = `Its stored bytes do not match their checksum: it was not sent to '${queue.name}'.`;
    owner.deadLetter({ queue, headers, body, reason: 'DAMAGED_MESSAGE', text }, work);
    await work.commit();
  } catch (error) {
    work.rollback();
    owner.failed(error, `setting aside a damaged message of queue '${queue.name}'`);
    // With an unknown outcome it stays locked: the store's recovery decides.
    if (work.state === 'rolledBack') owner.later(() => delivery.release());
  }
}

export interface SetAsideOwner {
  deadLetter(letter: DeadLetter, work: UnitOfWork): void;
  deadlineSet(deadlineMs: number): void;
  failed(error: unknown, doing: string): void;
  /** After a pause. */
  later(action: () => void): void;
}
