import type { Headers } from '../message/headers.ts';
import { TransactionEnded } from '../transactions/errors.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery } from '../transport/transport.ts';
import type { WorkScope } from './distributed-work.ts';
import type { MessageTransaction } from './message-transaction.ts';
import type { Cause } from './outgoing-headers.ts';

/**
 * One try to handle one delivery.
 *
 *     handling ──handlers done──▶ committing ──▶ ended
 *        ├──handlers failed──▶ ended
 *        └──timeout, stop──▶ abandoned
 *
 * `abandoned`: rolled back while a handler still runs. What that handler sends from then on is refused, its result is
 * ignored, and it keeps its place among the running ones until it returns.
 */
export class Attempt implements WorkScope {
  readonly delivery: Delivery;
  readonly transaction: MessageTransaction;
  /** By the monotonic clock. */
  readonly startedAtMs: number;
  /** Attempts of this round that failed before; kept, because a delivery that left forgets it. */
  readonly failedBefore: number;
  /** Known once the envelope was read. */
  incoming: ReadEnvelope | undefined;
  #state: AttemptState = 'handling';
  #abort: AbortController | undefined;
  #reason: Error | undefined;
  #rollingBack: Promise<void> | undefined;
  readonly #places: Places;
  #hasPlace = true;

  constructor(delivery: Delivery, transaction: MessageTransaction, startedAtMs: number, places: Places) {
    this.#places = places;
    this.delivery = delivery;
    this.transaction = transaction;
    this.startedAtMs = startedAtMs;
    this.failedBefore = delivery.failedAttempts;
  }

  get state(): AttemptState {
    return this.#state;
  }

  /** Made when somebody asks: most handlers never do. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    }
    return this.#abort.signal;
  }

  get givenUp(): AbortSignal {
    return this.#places.givenUp;
  }

  get cause(): Cause | undefined {
    return this.incoming;
  }

  about(): { readonly messageId: string | undefined; readonly messageType: string | undefined } {
    return { messageId: this.incoming?.messageId, messageType: this.incoming?.known?.name };
  }

  requireOpen(): void {
    if (this.#state !== 'handling') throw new TransactionEnded(this.#state);
  }

  unitForSends(): UnitOfWork | undefined {
    this.requireOpen();
    return this.transaction.sends();
  }

  /** A commit that needs no database any more needs no place either; otherwise its end frees it. */
  databasesDone(): boolean {
    this.freePlace();
    return this.#places.areOthersTaken();
  }

  /** Twice is harmless. */
  freePlace(): void {
    if (!this.#hasPlace) return;
    this.#hasPlace = false;
    this.#places.free();
  }

  /** True when the commit may begin: from here on no timeout applies. */
  tryCommitting(): boolean {
    return this.#move('handling', 'committing');
  }

  /** False when the attempt was abandoned: somebody else takes care of its message. */
  tryEnding(): boolean {
    return this.#move('handling', 'ended') || this.#move('committing', 'ended');
  }

  /** Rolls back under a running handler and tells it by its signal. False when it is too late for that. */
  tryAbandoning(reason: Error): boolean {
    if (!this.#move('handling', 'abandoned')) return false;
    this.#reason = reason;
    this.#rollingBack = this.transaction.rollback();
    this.#abort?.abort(reason);
    return true;
  }

  /** Of an abandoned attempt: pending while its databases still roll back. */
  get rollingBack(): Promise<void> | undefined {
    return this.#rollingBack;
  }

  #move(from: AttemptState, to: AttemptState): boolean {
    if (this.#state !== from) return false;
    this.#state = to;
    return true;
  }
}

/** The places of those that are being handled, and the end of all waiting for what they did. */
export interface Places {
  /** Gives one to the next. */
  free(): void;
  /** Some are being handled now. */
  areOthersTaken(): boolean;
  /** Aborted when the stop waits for databases no longer. */
  readonly givenUp: AbortSignal;
}

export type AttemptState = 'handling' | 'committing' | 'ended' | 'abandoned';

/** What an attempt can tell of its message once the envelope was read. */
export interface ReadEnvelope extends Cause {
  readonly headers: Headers;
  readonly known: { readonly name: string } | undefined;
  readonly discardReason: string | undefined;
}
