import { type Operation, positionOf } from '../store/store.ts';
import type { Outcome, Participant } from '../transactions/unit-of-work.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';
import { OUTGOING_PRIORITY } from './sent-priority.ts';

/**
 * A message on its way into a queue. It gets its position when its unit of work commits, so that commit order is
 * delivery order and nothing that is held back owns a place.
 */
export class PendingPut implements Participant {
  readonly #queue: Queue;
  readonly #message: PutMessage;
  readonly #owner: PutOwner;
  readonly #place: Place;
  #position = -1;

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

  contribute(operations: Operation[]): void {
    const { headers, body, deadlineMs } = this.#message;
    const priority = this.#queue.isOutgoing ? OUTGOING_PRIORITY : this.#message.priority;
    this.#position = positionOf(priority, this.#owner.nextSequence());
    operations.push({
      kind: 'put',
      place: this.#place.id,
      position: this.#position,
      message: { headers, body },
      ...(deadlineMs !== undefined && { deadlineMs }),
    });
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
}
