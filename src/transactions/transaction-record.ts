import type { HeuristicOutcome } from './resource-manager.ts';
import type { DescribedPart, HeldSend } from './unit-of-work.ts';

/**
 * What is durable of a transaction that takes databases along: one state entry, `transaction/ID`, written in the unit that
 * stages or decides it and deleted in the unit that ends it. A transaction without one was never decided: presumed abort.
 *
 *     (none) ──STAGE──▶ staged ──APPLY, DISCARD──▶ (none)             marker row: the database's commit decides
 *     (none) ──DECIDE──▶ decided ──RELEASE──▶ (none)                  two-phase commit: this record decides
 *                           └──heuristic outcome──▶ decided, with `heuristic` on a branch, until an operator forgets it
 */
export interface TransactionRecord {
  readonly id: string;
  readonly protocol: Protocol;
  readonly state: 'staged' | 'decided';
  readonly endpoint: string;
  readonly messageId?: string;
  readonly messageType?: string;
  /** Unix time, for people. */
  readonly startedMs: number;
  readonly writtenMs: number;
  /**
   * `staged`: the input and the state that are to be changed by APPLY; the input stays locked until then. `decided`: empty, the
   * decision's own unit has changed them.
   */
  readonly parts: readonly DescribedPart[];
  /** Stored, in no queue; empty when sends became visible with the decision. */
  readonly sends: readonly HeldSend[];
  readonly branches: readonly BranchRecord[];
}

export type Protocol = 'marker' | 'twoPhase';

export interface BranchRecord {
  readonly resource: string;
  readonly qualifier: string;
  /** See `Branch.session`. */
  readonly session: string;
  readonly transactionNumber?: string;
  /** How its end was proven; absent while it is not. */
  readonly proof?: string;
  readonly heuristic?: HeuristicRecord;
}

export interface HeuristicRecord {
  readonly outcome: HeuristicOutcome;
  readonly answer: string;
  readonly atMs: number;
}

/**
 * An abort row that stands in a database: `abort-row/ID`. Deleted with the row, once the session that might still commit is
 * proven gone.
 */
export interface AbortRowRecord {
  readonly id: string;
  readonly resource: string;
  readonly session: string;
  readonly sinceMs: number;
}

/**
 * A resource whose witness says that our store went back in time or was copied, or whose marker table is gone with what it
 * would prove: `fence/RESOURCE`, until an operator accepts.
 */
export interface FenceRecord {
  readonly resource: string;
  readonly sinceMs: number;
  /** The marker table is gone while transactions are in doubt: its emptiness would say that none of them committed. */
  readonly isMarkerTableGone?: boolean;
  /** What stands in the database, and what we wanted to write there. */
  readonly found: { readonly generation: string; readonly epoch: number; readonly opening: string };
  readonly wanted: { readonly generation: string; readonly epoch: number };
  /** Messages with this sequence or a lower one may have been handled already by the life that this store has forgotten. */
  readonly sequenceMax: number;
}

/** What an operator did: `operator-action/SEQUENCE`, the last 200 kept. */
export interface OperatorActionRecord {
  readonly atMs: number;
  readonly by: string;
  readonly action: 'commit' | 'abort' | 'forget' | 'retry';
  readonly transaction: string;
  readonly reason: string;
  readonly before: string;
  readonly after: string;
}

/** The coordinator's own entry, `coordinator`. */
export interface CoordinatorRecord {
  readonly generation: string;
  readonly epoch: number;
  /** The witness of this store before an operator last accepted it: a database that holds it only missed the change. */
  readonly previous?: { readonly generation: string; readonly epoch: number; readonly opening: string };
}

export const TRANSACTION_PREFIX = 'transaction/';
export const ABORT_ROW_PREFIX = 'abort-row/';
export const FENCE_PREFIX = 'fence/';
export const OPERATOR_ACTION_PREFIX = 'operator-action/';
export const COORDINATOR_KEY = 'coordinator';
