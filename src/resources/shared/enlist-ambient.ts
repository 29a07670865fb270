import { currentTransaction } from '../../transactions/ambient-transaction.ts';
import { NoTransaction } from '../../transactions/errors.ts';
import type { ResourceManager } from '../../transactions/resource-manager.ts';

/** The client of the resource in the transaction that this code runs in. @throws NO_TRANSACTION outside of any */
export async function enlistAmbient(resource: ResourceManager): Promise<unknown> {
  const transaction = currentTransaction();
  if (transaction === undefined) throw new NoTransaction(resource.name);
  return transaction.enlist(resource);
}
