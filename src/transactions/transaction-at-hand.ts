import type { TransactionRequest } from './distributed-transaction.ts';
import type { Branch } from './resource-manager.ts';
import type { Protocol, TransactionRecord } from './transaction-record.ts';
import type { StateOfTransaction } from './transaction-state.ts';
import type { Outcome, UnitOfWork } from './unit-of-work.ts';

/** A transaction that runs in this process, as the protocols, recovery and the views see it. */
export interface TransactionAtHand {
  readonly id: string;
  readonly work: UnitOfWork;
  readonly state: StateOfTransaction;
  readonly request: TransactionRequest;
  /** Unix time. */
  readonly startedMs: number;
  /** Chosen when it commits. */
  readonly protocol: Protocol | undefined;
  readonly branches: BegunBranches;
  /** The outcome is known, durably. */
  readonly settled: (outcome: Exclude<Outcome, 'unknown'>) => void;
  /** What the record says of it, but for the queue side. */
  describe(writers: readonly Branch[], protocol: Protocol): Omit<TransactionRecord, 'parts' | 'sends'>;
  /** Before any decision: ends every branch, and the transaction with them. */
  abort(): Promise<void>;
}

export interface BegunBranches {
  readonly all: readonly Branch[];
  /** Ends those that are not over. */
  rollback(): Promise<void>;
}
