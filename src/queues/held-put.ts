import type { Operation } from '../store/store.ts';
import type { HeldSend, Outcome, Participant } from '../transactions/unit-of-work.ts';
import { nextPositionIn, type PutOwner } from './pending-put.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';

/**
 * A send that a process before this one left held: as a `PendingPut` that is held, but its bytes are only in the store. It
 * counts for the quota of its queue from the open on.
 */
export class HeldPut implements Participant {
  readonly #queue: Queue;
  readonly #send: HeldSend;
  readonly #owner: PutOwner;
  readonly #place: Place;
  /** Of a message that is to be delayed in a queue without such a place, the due time is no expiry. */
  readonly #deadlineMs: number | undefined;
  #position = -1;

  constructor(queue: Queue, send: HeldSend, owner: PutOwner) {
    this.#queue = queue;
    this.#send = send;
    this.#owner = owner;
    this.#place = (send.isDelayed ? queue.delayed : undefined) ?? queue.waiting;
    this.#deadlineMs = send.isDelayed && this.#place === queue.waiting ? undefined : send.deadlineMs;
    this.#place.pendingMessages++;
    this.#place.pendingBytes += send.byteCount;
  }

  contribute(operations: Operation[]): void {
    this.#position = nextPositionIn(this.#queue, this.#send.priority, this.#owner);
    operations.push({
      kind: 'move',
      place: this.#owner.heldPlace(),
      position: this.#send.position,
      toPlace: this.#place.id,
      toPosition: this.#position,
      ...(this.#deadlineMs !== undefined && { deadlineMs: this.#deadlineMs }),
    });
  }

  drop(operations: Operation[]): void {
    operations.push({ kind: 'remove', place: this.#owner.heldPlace(), position: this.#send.position });
  }

  ended(outcome: Outcome): void {
    const { byteCount } = this.#send;
    this.#place.pendingMessages--;
    this.#place.pendingBytes -= byteCount;
    if (outcome !== 'committed') return;
    if (this.#deadlineMs !== undefined) this.#owner.deadlineSet(this.#deadlineMs);
    if (this.#place === this.#queue.waiting) this.#queue.arrivedUnread(this.#position, byteCount);
    else this.#place.added(byteCount);
  }
}
