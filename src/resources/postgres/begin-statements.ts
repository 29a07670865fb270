import { invariant } from '../../message/posthorn-error.ts';
import type { BranchRequest } from '../../transactions/resource-manager.ts';
import { parseTransactionId } from '../../transactions/transaction-id.ts';
import type { OwnStatement } from './round-trip.ts';

/**
 * BEGIN, and the transaction's id as a setting that ends with it.
 *
 * SET takes no snapshot, as a call of set_config() would: so the handler's first statement may be SET TRANSACTION, and sees
 * what was committed until it was sent. It takes no parameters either, and the id stands in it as it is.
 */
export function beginStatements({ id, isolationLevel }: Pick<BranchRequest, 'id' | 'isolationLevel'>): OwnStatement[] {
  const { transaction } = id;
  invariant(parseTransactionId(transaction) !== undefined, `'${transaction}' is the id of a transaction of ours`);
  return [
    { text: `begin isolation level ${isolationLevel} read write`, isKept: true },
    { text: `set local posthorn.transaction = '${transaction}'` },
  ];
}
