import { AsyncLocalStorage } from 'node:async_hooks';
import type { ResourceManager } from './resource-manager.ts';

/**
 * The transaction that code is running in, found from anywhere below the handler: what `orders.query(…)` joins, as
 * TransactionScope's ambient transaction was.
 */
export interface AmbientTransaction {
  /**
   * The client of the resource's branch, begun when this is its first use.
   *
   * @throws {TransactionEnded} the handler has returned {RESOURCE_NOT_LISTED} {RESOURCE_UNAVAILABLE} {RESOURCE_FENCED}
   */
  enlist(resource: ResourceManager): Promise<unknown>;
}

const ambient = new AsyncLocalStorage<AmbientTransaction | undefined>();

export function runInTransaction<Result>(transaction: AmbientTransaction, action: () => Result): Result {
  return ambient.run(transaction, action);
}

/** For what lives longer than the transaction in which it happens to be started. */
export function runOutsideTransactions<Result>(action: () => Result): Result {
  return ambient.run(undefined, action);
}

/** Undefined outside handlers and `endpoint.transaction`. */
export function currentTransaction(): AmbientTransaction | undefined {
  return ambient.getStore();
}
