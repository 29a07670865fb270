import type { Store, StoreCondition } from '../store/store.ts';
import type { TransactionRecord } from './transaction-record.ts';
import type { Participant, UnitOfWork } from './unit-of-work.ts';

/**
 * What the coordinator needs of the queue manager it belongs to. `queues/` implements it.
 *
 * Q1  From the moment the queue manager is open the inputs of all `staged` records are locked, before any receiver, expiry,
 *     purge, move or CLI verb sees their queue.
 * Q2  A held send has no position in a queue and no place in a stream; both are given by the unit that releases it.
 * Q3  Held sends count for quotas like sends that are on their way.
 */
export interface QueueSide {
  readonly storeId: string;
  readonly machine: string;
  readonly store: Store;
  /** The records found at open, in the order of their ids. */
  readonly found: readonly TransactionRecord[];
  /** Makes the place of held sends when there is none yet; before the first transaction. */
  ready(): Promise<void>;
  begin(): UnitOfWork;
  /**
   * What takes part in the rest of a transaction that a process before this one wrote down: its input and state (of a
   * `staged` record), its held sends. Once for each record.
   */
  rebuild(record: TransactionRecord): readonly Participant[];
  /** No message that is in a queue now has a higher sequence. */
  highestSequence(): number;
  onStoreCondition(listener: (condition: StoreCondition) => void): void;
}
