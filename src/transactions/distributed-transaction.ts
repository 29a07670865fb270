import type { IsolationLevel, ResourceManager } from './resource-manager.ts';
import type { Protocol } from './transaction-record.ts';
import type { Outcome, UnitOfWork } from './unit-of-work.ts';

/** One transaction over the queues of this machine and databases, begun by `Coordinator.begin`. */
export interface DistributedTransaction {
  /** See transaction-id.ts. */
  readonly id: string;
  /** The queue side: what is received and sent joins it. */
  readonly work: UnitOfWork;
  /** `unknown` until recovery has settled it. */
  readonly outcome: Outcome | undefined;
  enlist(resource: ResourceManager): Promise<unknown>;
  /**
   * Commits everything or nothing. Resolves when the commit is decided and durable here: a database that has to be told later
   * is told by recovery, and sends are held meanwhile.
   *
   * @throws {PosthornError} OUTCOME_UNKNOWN: it will be one or the other, see `whenSettled`. Anything else proves that nothing
   * of it is there, nor will be.
   */
  commit(): Promise<void>;
  /** Undoes everything; resolves when the databases have, or their connections are destroyed. Harmless when it has ended. */
  rollback(): Promise<void>;
  /** The outcome once it is known, also long after `commit` threw OUTCOME_UNKNOWN; never `unknown`. */
  readonly whenSettled: Promise<Exclude<Outcome, 'unknown'>>;
}

export interface TransactionRequest {
  readonly endpoint: string;
  /** What is known of the message at hand when it commits, for operators. */
  about(): { readonly messageId?: string | undefined; readonly messageType?: string | undefined };
  readonly resources: readonly ResourceManager[];
  readonly isolationLevel: IsolationLevel;
  readonly protocol: ProtocolChoice;
  readonly sendsVisible: SendsVisible;
  /** For the idle-in-transaction timeout of sessions. */
  readonly timeoutMs: number;
  /** Aborted when the transaction times out or its endpoint stops; asked for when somebody has to wait. */
  signal?(): AbortSignal;
  /**
   * Aborted when the time of a stop is over: from then on nobody waits for a database any more, at whatever point the
   * transaction is. What is in doubt is settled at the next open, what is decided is told to its databases then, and what is
   * neither is rolled back by its server.
   */
  readonly givenUp?: AbortSignal;
  /**
   * Every database has committed and its connection is free again: what is left is a unit of the store. Called once at most,
   * before `commit` resolves; whoever waits for a place may have this one's.
   *
   * @returns true when others are under way whose units that one may wait for
   */
  databasesDone?(): boolean;
}

/** `auto`: marker row for one database, two-phase commit for several. */
export type ProtocolChoice = 'auto' | Protocol;

/** When what a handler sent can be received: after every database has committed, or as soon as that is decided. */
export type SendsVisible = 'afterBranches' | 'atDecision';
