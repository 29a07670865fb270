import { failpoint } from '../io/failpoint.ts';
import { invariant } from '../message/posthorn-error.ts';
import type { Operation, Store } from '../store/store.ts';
import { TransactionEnded } from './errors.ts';
import { isOutcomeUnknown } from './outcome-unknown.ts';

/**
 * What commits together on this machine: messages received, messages sent, counters and state.
 *
 *     active ──commit()──▶ committing ──sync──▶ committed
 *        │                      ├──refused by the store──▶ rolledBack
 *        └──rollback()──▶ rolledBack   └──answer lost──▶ unknown
 *
 * Invariants
 * - Participants contribute their operations at `commit`, in the order of their enlistment, and in one turn with the
 *   hand-over to the store. Positions are given there and not before: nothing that waits (a held send, an unreachable
 *   database) ever owns a place in a queue.
 * - Every participant hears the outcome exactly once, before the promise of `commit` settles.
 * - `unknown` is final for this object: it is never rolled back, never retried; what is on disk decides, at recovery.
 */
export class UnitOfWork {
  readonly #store: Store;
  readonly #participants: Participant[] = [];
  #state: UnitOfWorkState = 'active';

  constructor(store: Store) {
    this.#store = store;
  }

  get state(): UnitOfWorkState {
    return this.#state;
  }

  /** @throws when the unit is no longer active: what would be added could not take part any more */
  enlist(participant: Participant): void {
    if (this.#state !== 'active') throw new TransactionEnded(this.#state);
    this.#participants.push(participant);
  }

  /**
   * Makes everything durable, or nothing. Resolves after the sync.
   *
   * @throws {PosthornError} OUTCOME_UNKNOWN when the answer was lost; anything else proves that nothing was written
   */
  async commit(): Promise<void> {
    if (this.#state !== 'active') throw new TransactionEnded(this.#state);
    this.#state = 'committing';
    try {
      const operations: Operation[] = [];
      for (const participant of this.#participants) participant.contribute(operations);
      const answer = this.#store.commit({ operations });
      failpoint('unit.handed-over');
      await answer;
    } catch (error) {
      this.#end(isOutcomeUnknown(error) ? 'unknown' : 'rolledBack');
      throw error;
    }
    failpoint('unit.committed-before-outcome');
    this.#end('committed');
  }

  /** Undoes everything; harmless when it already ended. */
  rollback(): void {
    if (this.#state === 'active') this.#end('rolledBack');
  }

  #end(outcome: Outcome): void {
    invariant(
      this.#state === 'active' || this.#state === 'committing',
      `a unit of work ends once, this one is ${this.#state}`,
    );
    this.#state = outcome;
    for (const participant of this.#participants) participant.ended(outcome);
  }
}

export type Outcome = 'committed' | 'rolledBack' | 'unknown';
export type UnitOfWorkState = 'active' | 'committing' | Outcome;

/** Takes part in a unit of work. `ended` must not throw. */
export interface Participant {
  contribute(operations: Operation[]): void;
  ended(outcome: Outcome): void;
}
