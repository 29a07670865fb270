import { invariant } from '../message/posthorn-error.ts';
import { type Operation, priorityOf, type StoredMessage } from '../store/store.ts';
import type { Outcome, Participant, UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery } from '../transport/transport.ts';
import { attemptsKey } from './attempts.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';
import { sentPriorityOf } from './sent-priority.ts';

/**
 * A message that an operator's work, or the deadline keeper, has locked: out of a queue, its delayed messages or its
 * journal. Same states as a received one, but it is no handler's: no slot, no journal copy, no gate.
 */
export class TakenDelivery implements Delivery, Participant {
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  readonly isDamaged: boolean;
  readonly #queue: Queue;
  readonly #place: Place;
  readonly #position: number;
  readonly #bytes: number;
  readonly #deadlineMs: number | undefined;
  readonly #deadlineSet: (deadlineMs: number) => void;
  #state: 'held' | 'leaving' | 'gone' | 'inDoubt' | 'released' = 'held';

  /**
   * Locks the message; the caller has made sure that it is there and free.
   *
   * @param deadlineSet - told when a message with a deadline is given back: it may have passed meanwhile
   */
  constructor(queue: Queue, place: Place, message: StoredMessage, deadlineSet: (deadlineMs: number) => void) {
    this.#queue = queue;
    this.#place = place;
    this.#position = message.position;
    this.headers = message.headers;
    this.body = message.body ?? EMPTY;
    this.isDamaged = message.damaged;
    this.#bytes = message.headers.byteLength + message.bodyBytes;
    this.#deadlineMs = message.deadlineMs;
    this.#deadlineSet = deadlineSet;
    if (place === queue.waiting) queue.lock(message.position);
    else place.locked.add(message.position);
  }

  get queue(): string {
    return this.#queue.name;
  }

  get priority(): number {
    return this.#queue.isOutgoing ? sentPriorityOf(this.headers) : priorityOf(this.#position);
  }

  get failedAttempts(): number {
    return this.#place === this.#queue.waiting ? this.#queue.attempts.of(this.#position).failed : 0;
  }

  get deaths(): number {
    return this.#place === this.#queue.waiting ? this.#queue.attempts.of(this.#position).deaths : 0;
  }

  complete(work: UnitOfWork): void {
    invariant(this.#state === 'held', `a delivery is completed once while it is held, this one is ${this.#state}`);
    work.enlist(this);
    this.#state = 'leaving';
  }

  countFailure(): void {
    invariant(false, 'only a handler fails, and no handler runs for a message that an operator took');
  }

  release(): void {
    if (this.#state === 'released') return;
    invariant(this.#state === 'held', `only a held delivery can be released, this one is ${this.#state}`);
    this.#state = 'released';
    if (this.#place === this.#queue.waiting) this.#queue.releaseUnread(this.#position);
    else this.#place.locked.delete(this.#position);
    if (this.#deadlineMs !== undefined) this.#deadlineSet(this.#deadlineMs);
  }

  contribute(operations: Operation[]): void {
    operations.push({ kind: 'remove', place: this.#place.id, position: this.#position });
    if (this.#place === this.#queue.waiting && this.#queue.attempts.has(this.#position)) {
      operations.push({ kind: 'deleteState', key: attemptsKey(this.#place.id, this.#position) });
    }
  }

  ended(outcome: Outcome): void {
    if (outcome !== 'committed') {
      this.#state = outcome === 'unknown' ? 'inDoubt' : 'held';
      return;
    }
    this.#state = 'gone';
    if (this.#place === this.#queue.waiting) {
      this.#queue.gone(this.#position, this.#bytes);
      this.#queue.signalTransfer();
    } else {
      this.#place.removed(this.#position, this.#bytes);
      this.#place.locked.delete(this.#position);
    }
  }
}

const EMPTY = new Uint8Array(0);
