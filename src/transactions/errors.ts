import { PosthornError } from '../message/posthorn-error.ts';

/** Something was sent or received in a transaction that had already ended. It did not take part. */
export class TransactionEnded extends PosthornError {
  readonly code = 'TRANSACTION_ENDED';

  constructor(state: string) {
    super(
      `The transaction has already ended (${state}); what was asked for did not take part in it.`,
      'Await every send before the handler returns, and do not keep its context for later.',
    );
  }
}
