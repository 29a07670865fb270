import type { Operations } from '../operations/operations.ts';
import type { ResourceView, TransactionPage, TransactionView, ViewRequest } from '../transactions/transaction-view.ts';
import { UsageError } from './errors.ts';

export type FoundTransaction =
  | { readonly kind: 'transaction'; readonly transaction: TransactionView }
  | { readonly kind: 'resource'; readonly resource: ResourceView };

/**
 * What a person named: a transaction by its id, by the beginning of it, or by its end, as a narrow table shows it; or a
 * database by its name.
 *
 * @throws {PosthornError} TRANSACTION_NOT_FOUND {UsageError} the end fits several
 */
export async function findTransaction(operations: Operations, given: string): Promise<FoundTransaction> {
  const id = given.replace(/^(?:…|\.\.\.)|(?:…|\.\.\.)$/g, '');
  if (!id.startsWith(OWN_PREFIX)) {
    const fitting: string[] = [];
    for await (const page of transactionPages(operations, {})) {
      const resource = page.resources.find(({ name }) => name === given);
      if (resource !== undefined) return { kind: 'resource', resource };
      for (const transaction of page.transactions) {
        if (transaction.id === given) return { kind: 'transaction', transaction };
        if (id.length >= END_LENGTH_MIN && transaction.id.endsWith(id)) fitting.push(transaction.id);
      }
    }
    const [only, another] = fitting;
    if (another !== undefined) {
      throw new UsageError(
        `'${given}' fits several transactions: ${fitting.slice(0, 5).join(', ')}.`,
        'Give more of it.',
      );
    }
    if (only !== undefined) return { kind: 'transaction', transaction: await operations.showTransaction({ id: only }) };
  }
  return { kind: 'transaction', transaction: await operations.showTransaction({ id }) };
}

/** The pages of `transactions list`. */
export async function* transactionPages(operations: Operations, request: ViewRequest): AsyncGenerator<TransactionPage> {
  let afterId: string | undefined;
  for (;;) {
    const page = await operations.listTransactions({ ...request, afterId });
    yield page;
    afterId = page.transactions.at(-1)?.id;
    if (page.isLast || afterId === undefined) return;
  }
}

/** What every id of Posthorn begins with. */
const OWN_PREFIX = 'P1.';
const END_LENGTH_MIN = 6;
