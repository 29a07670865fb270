import type { ResourceKind, ResourceTarget } from './resource-manager.ts';
import type { HeuristicRecord, OperatorActionRecord, Protocol } from './transaction-record.ts';

/* What operators see of transactions (guarantees-and-faults.md 4.10). Plain data: it goes over the control socket. */

export interface ViewRequest {
  readonly afterId?: string | undefined;
  readonly state?: TransactionViewState | undefined;
  /** Only those with a branch of this resource. */
  readonly resource?: string | undefined;
  readonly endpoint?: string | undefined;
}

export interface TransactionPage {
  /** In the order of their ids. */
  readonly transactions: readonly TransactionView[];
  readonly isLast: boolean;
  /** On the first page: every resource that is used or that a record names. */
  readonly resources: readonly ResourceView[];
}

/**
 * `active`: handlers run · `preparing` · `inDoubt`: one database, its answer was lost or is awaited · `committing`: decided,
 * branches are being told · `heuristic`: a database has another outcome · `aborting`: a prepared branch without a decision
 * is being rolled back · `fenced`: a branch of a life that this store cannot vouch for · `foreign`: not ours, never touched ·
 * `settled`: nothing is left of it but what operators did, shown by its id alone
 */
export type TransactionViewState =
  | 'active'
  | 'preparing'
  | 'inDoubt'
  | 'committing'
  | 'heuristic'
  | 'aborting'
  | 'fenced'
  | 'foreign'
  | 'settled';

export interface TransactionView {
  /** Of a foreign branch: its text as the server shows it. */
  readonly id: string;
  readonly state: TransactionViewState;
  readonly protocol: Protocol | undefined;
  readonly protocolReason: string | undefined;
  readonly endpoint: string | undefined;
  readonly messageId: string | undefined;
  readonly messageType: string | undefined;
  /** Since it began, or was prepared; undefined where nobody can tell. */
  readonly ageMs: number | undefined;
  readonly branches: readonly BranchView[];
  /** `QUEUE: COUNT` of what waits for its end. */
  readonly heldSends: readonly { readonly queue: string; readonly messages: number }[];
  /** What is going on, where locks are held, and what to do: whole sentences. */
  readonly sentence: string;
  readonly actions: readonly OperatorActionRecord[];
}

export interface BranchView {
  readonly resource: string;
  readonly branchId: string;
  readonly state: 'working' | 'prepared' | 'committing' | 'committed' | 'rollingBack' | 'heuristic' | 'unknown';
  readonly lastAnswer: string | undefined;
  readonly attempts: number;
  /** Milliseconds until the next try; undefined when none is planned. */
  readonly nextTryMs: number | undefined;
  readonly heuristic: HeuristicRecord | undefined;
  readonly proof: string | undefined;
  /** What a person would type on that database. */
  readonly sql: { readonly commit: string; readonly rollback: string } | undefined;
}

export interface ResourceView {
  readonly name: string;
  readonly kind: ResourceKind | undefined;
  readonly target: ResourceTarget | undefined;
  /** `absent`: records name it, but no endpoint that lists it runs. `stopped`: no queue manager runs. */
  readonly state: 'ready' | 'unavailable' | 'fenced' | 'unfit' | 'absent' | 'stopped';
  readonly sinceMs: number | undefined;
  /** Why, and what to do. */
  readonly sentence: string | undefined;
  /** The longest that a prepared branch of ours is there; for alarms. */
  readonly oldestPreparedMs: number | undefined;
  /** Of a fenced one: messages up to this sequence may have been handled already. */
  readonly mayBeHandledUpTo: number | undefined;
  readonly endpoints: readonly string[];
}

export interface OperatorWish {
  readonly action: 'commit' | 'abort' | 'forget' | 'retry';
  /** A transaction's id; with `forget`, also the name of a fenced resource: this store is accepted as it is. */
  readonly id: string;
  readonly reason: string;
  readonly by: string;
}
