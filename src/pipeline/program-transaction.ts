import { TransactionEnded } from '../transactions/errors.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import { type DistributedParts, DistributedWork, type WorkScope } from './distributed-work.ts';

/**
 * One transaction of the program, from its begin to its end.
 *
 *     working ──function done──▶ committing ──▶ ended
 *        ├──function failed──▶ ended
 *        └──timeout, stop──▶ abandoned
 *
 * `abandoned`: rolled back while the function still runs. What it asks for from then on is refused, and its result ignored.
 */
export class ProgramTransaction implements WorkScope {
  /** By the monotonic clock. */
  readonly startedAtMs: number;
  readonly work: DistributedWork;
  readonly givenUp: AbortSignal;
  readonly cause = undefined;
  readonly #abort = new AbortController();
  readonly #abandoned = Promise.withResolvers<never>();
  #state: ProgramTransactionState = 'working';

  constructor(parts: DistributedParts, startedAtMs: number, givenUp: AbortSignal) {
    this.startedAtMs = startedAtMs;
    this.givenUp = givenUp;
    this.#abandoned.promise.catch(() => undefined); // nobody may be waiting for it any more
    this.work = new DistributedWork(parts, this);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Rejects when it is abandoned, with the reason. */
  get whenAbandoned(): Promise<never> {
    return this.#abandoned.promise;
  }

  about(): Record<string, never> {
    return {};
  }

  requireOpen(): void {
    if (this.#state !== 'working') throw new TransactionEnded(this.#state);
  }

  unitForSends(): UnitOfWork {
    this.requireOpen();
    return this.work.unit;
  }

  /** From here on no timeout applies. @throws the reason for which it was abandoned */
  async commit(): Promise<void> {
    if (this.#state === 'abandoned') throw this.signal.reason;
    this.requireOpen();
    this.#state = 'committing';
    await this.work.commit();
    this.#state = 'ended';
  }

  /** Undoes everything, unless what became of it is not known. */
  async rollback(): Promise<void> {
    if (this.#state !== 'abandoned') this.#state = 'ended';
    if (!this.work.isInDoubt) await this.work.rollback();
  }

  /** Rolls back under the running function and tells it by its signal. Too late for that: nothing happens. */
  abandon(reason: Error): void {
    if (this.#state !== 'working') return;
    this.#state = 'abandoned';
    void this.work.rollback();
    this.#abort.abort(reason);
    this.#abandoned.reject(reason);
  }
}

export type ProgramTransactionState = 'working' | 'committing' | 'ended' | 'abandoned';
