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
 *        │                      └──answer lost──▶ unknown
 *        ├──rollback()──▶ rolledBack
 *        └──takeParticipants()──▶ handedOver        a database decides with it: see stepped-work.ts
 *
 * Invariants
 * - Participants contribute their operations at `commit`, in the order of their enlistment, and in one turn with the
 *   hand-over to the store. Positions are given there and not before: nothing that waits (a held send, an unreachable
 *   database) ever owns a place in a queue.
 * - Every participant hears the outcome exactly once, before the promise of `commit` settles. After `takeParticipants` that
 *   is the duty of who took them.
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

  /** Ends the unit without an outcome of its own: its participants go on in the steps of a larger transaction. */
  takeParticipants(): readonly Participant[] {
    if (this.#state !== 'active') throw new TransactionEnded(this.#state);
    this.#state = 'handedOver';
    return this.#participants;
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
export type UnitOfWorkState = 'active' | 'committing' | 'handedOver' | Outcome;

/**
 * Takes part in a unit of work. `ended` must not throw.
 *
 * What can take part in a transaction that is decided in a database (see `stepped-work.ts`) has one of the two optional
 * members; what has neither contributes to the last unit, and is forgotten when another process finishes the transaction.
 */
export interface Participant {
  contribute(operations: Operation[]): void;
  ended(outcome: Outcome): void;
  /**
   * A send: writes the message down without a place in its queue. After that, `contribute` gives it its place, and `drop`
   * takes it away instead.
   */
  hold?(operations: Operation[]): HeldSend;
  drop?(operations: Operation[]): void;
  /** What another process needs to contribute in its stead. */
  describe?(): DescribedPart;
}

/** A send that is stored and visible to nobody. Plain data: it stands in the record of its transaction. */
export interface HeldSend {
  /** Position in the place of held sends. */
  readonly position: number;
  /** `queue` of this machine, or `queue@machine`. */
  readonly queue: string;
  readonly priority: number;
  readonly isDelayed: boolean;
  /** Steady time. Of a delayed message when it is due, else when it expires. */
  readonly deadlineMs?: number;
  /** Headers and body. */
  readonly byteCount: number;
}

export type DescribedPart =
  | { readonly kind: 'input'; readonly queue: string; readonly position: number }
  | { readonly kind: 'state'; readonly key: string; readonly value?: string };
