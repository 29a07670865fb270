import { invariant } from '../message/posthorn-error.ts';
import { type Operation, positionOf } from '../store/store.ts';
import type { HeldSend, Outcome, Participant } from '../transactions/unit-of-work.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';
import { OUTGOING_PRIORITY } from './sent-priority.ts';

/**
 * A message on its way into a queue. It gets its position when its unit of work commits, so that commit order is
 * delivery order and nothing that is held back owns a place.
 *
 *     on its way ──contribute, committed──▶ in its queue
 *         └──hold──▶ held ──contribute, committed──▶ in its queue          held: durable, in a place of no queue, without
 *                      └──drop, committed──▶ gone                          a deadline, seen by nobody
 *
 * Until it ended it counts for the quota of its queue. Each step may be repeated: a unit that the store refused is
 * built anew.
 */
export class PendingPut implements Participant {
  readonly #queue: Queue;
  readonly #message: PutMessage;
  readonly #owner: PutOwner;
  readonly #place: Place;
  #position = -1;
  /** In the place of held sends. */
  #heldPosition: number | undefined;

  constructor(queue: Queue, message: PutMessage, owner: PutOwner) {
    this.#queue = queue;
    this.#message = message;
    this.#owner = owner;
    this.#place = message.isDelayed && queue.delayed !== undefined ? queue.delayed : queue.waiting;
    this.#place.pendingMessages++;
    this.#place.pendingBytes += this.#bytes;
  }

  get #bytes(): number {
    return this.#message.headers.byteLength + this.#message.body.byteLength;
  }

  hold(operations: Operation[]): HeldSend {
    const { headers, body, deadlineMs, priority } = this.#message;
    const position = this.#owner.nextSequence();
    this.#heldPosition = position;
    operations.push({ kind: 'put', place: this.#owner.heldPlace(), position, message: { headers, body } });
    return {
      position,
      queue: this.#queue.name,
      priority,
      isDelayed: this.#place === this.#queue.delayed,
      ...(deadlineMs !== undefined && { deadlineMs }),
      byteCount: this.#bytes,
    };
  }

  contribute(operations: Operation[]): void {
    const { headers, body, deadlineMs, priority } = this.#message;
    this.#position = nextPositionIn(this.#queue, priority, this.#owner);
    const deadline = deadlineMs === undefined ? {} : { deadlineMs };
    if (this.#heldPosition === undefined) {
      const message = { headers, body };
      operations.push({ kind: 'put', place: this.#place.id, position: this.#position, message, ...deadline });
      return;
    }
    operations.push({
      kind: 'move',
      place: this.#owner.heldPlace(),
      position: this.#heldPosition,
      toPlace: this.#place.id,
      toPosition: this.#position,
      ...deadline,
    });
  }

  drop(operations: Operation[]): void {
    const position = this.#heldPosition;
    invariant(position !== undefined, 'only a send that is held can be dropped');
    operations.push({ kind: 'remove', place: this.#owner.heldPlace(), position, byteCount: this.#bytes });
  }

  ended(outcome: Outcome): void {
    this.#place.pendingMessages--;
    this.#place.pendingBytes -= this.#bytes;
    if (outcome !== 'committed') return;
    const { headers, body, deadlineMs } = this.#message;
    if (deadlineMs !== undefined) this.#owner.deadlineSet(deadlineMs);
    if (this.#place === this.#queue.waiting) {
      this.#queue.arrived({ position: this.#position, headers, body, deadlineMs, isDamaged: false });
    } else {
      this.#place.added(this.#bytes);
    }
  }
}

/** Behind everything of its priority; in an outgoing queue behind everything. */
export function nextPositionIn(queue: Queue, priority: number, owner: { nextSequence(): number }): number {
  return positionOf(queue.isOutgoing ? OUTGOING_PRIORITY : priority, owner.nextSequence());
}

export interface PutMessage {
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  /** Of no account in an outgoing queue. */
  readonly priority: number;
  /** Goes among the delayed messages; then `deadlineMs` is when it is due, else when it expires. */
  readonly isDelayed: boolean;
  readonly deadlineMs: number | undefined;
}

export interface PutOwner {
  nextSequence(): number;
  deadlineSet(deadlineMs: number): void;
  /** The place of held sends, which is there before the first transaction that holds any. */
  heldPlace(): number;
}
