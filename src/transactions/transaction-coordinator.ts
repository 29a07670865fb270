import type { DistributedTransaction, ProtocolChoice, TransactionRequest } from './distributed-transaction.ts';
import type { ResourceInspection, ResourceManager } from './resource-manager.ts';
import type { OperatorWish, ResourceView, TransactionPage, TransactionView, ViewRequest } from './transaction-view.ts';

/**
 * Brings the queues of one queue manager and databases to one outcome (G-X1…X12). Every queue manager has one; it does nothing,
 * and has no epoch, before the first endpoint uses a resource.
 */
export interface TransactionCoordinator {
  /**
   * An endpoint will use these resources from now on: raises the epoch when it is the first, takes the witness of each database
   * that can be reached, checks what the protocols need, and begins recovery. A database that cannot be reached is tried again
   * in the background; transactions refuse it with RESOURCE_UNAVAILABLE meanwhile.
   *
   * @throws {PosthornError} RESOURCE_UNFIT with the setting to change, RESOURCE_TABLES_MISSING, INVALID_OPTION (a pool that is
   * too small, two resources of one name)
   */
  use(request: UseRequest): Promise<ResourceUse>;
  begin(request: TransactionRequest): DistributedTransaction;
  /** One page for `transactions list`, what was found at open included; also while nothing runs. */
  list(request: ViewRequest): Promise<TransactionPage>;
  /** One transaction with all that is known, by its id or the beginning of it; undefined when there is none. */
  show(request: { readonly id: string }): Promise<TransactionView | undefined>;
  /**
   * Commits, aborts, forgets or tries again, as the operator wishes, and notes who and why.
   *
   * @throws {PosthornError} TRANSACTION_NOT_FOUND, TRANSACTION_ACTION_REFUSED with the reason, REASON_MISSING
   */
  act(wish: OperatorWish): Promise<TransactionView | undefined>;
  /** Ends recovery; what is not settled is settled at the next start. */
  stop(): Promise<void>;
}

export interface UseRequest {
  readonly endpoint: string;
  readonly resources: readonly ResourceManager[];
  /** Branches at a time that this endpoint may have of each. */
  readonly branchCount: number;
  readonly protocol: ProtocolChoice;
}

export interface ResourceUse {
  /** Resources that refuse new branches now; while there are any, the endpoint receives nothing. */
  readonly fenced: readonly ResourceView[];
  /** Calls `listener` whenever `fenced` may have changed. */
  onChange(listener: () => void): void;
  /** What is known of each resource by now: which protocol will be used and why. */
  describe(): readonly ResourceUseDescription[];
  /** The endpoint has stopped. */
  release(): void;
}

export interface ResourceUseDescription {
  readonly resource: string;
  readonly inspection: ResourceInspection | undefined;
  /** 'marker row', 'two-phase commit', or both, and why. */
  readonly protocol: string;
}
