import { PosthornError } from '../message/posthorn-error.ts';
import { OutcomeUnknown } from '../store/errors.ts';

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

/** OUTCOME_UNKNOWN of a transaction over a database: recovery settles it; its message stays locked until then. */
export function transactionInDoubt(transaction: string, resource: string): OutcomeUnknown {
  return new OutcomeUnknown(
    `whether transaction ${transaction} committed in '${resource}' could not be found out yet`,
    `Do not repeat the work: it is settled as soon as '${resource}' answers. 'posthorn transactions show' tells more.`,
  );
}

/** A database cannot be reached, or refuses the login. Nothing of the transaction is there. */
export class ResourceUnavailable extends PosthornError {
  readonly code = 'RESOURCE_UNAVAILABLE';
  /** What the connection met with, where the database is named already. */
  readonly why: string;

  constructor(resource: string, where: string, why: string, options?: ErrorOptions & { readonly mend?: string }) {
    super(
      `Database '${resource}' (${where}) is not available: ${why}.`,
      options?.mend ?? "See whether it runs and takes this login: 'posthorn doctor' goes through it step by step.",
      options,
    );
    this.why = why;
  }
}

/** A database's witness row says that this store went back in time or was copied. Nothing new is begun there. */
export class ResourceFenced extends PosthornError {
  readonly code = 'RESOURCE_FENCED';

  constructor(resource: string, why: string) {
    super(
      `Database '${resource}' is fenced for this queue manager: ${why}.`,
      "'posthorn transactions list' says which messages may have been handled already; when that is sorted out, 'posthorn transactions forget' accepts this store.",
    );
  }
}

/** A database server cannot do what the endpoint's transactions need. Nothing was started. */
export class ResourceUnfit extends PosthornError {
  readonly code = 'RESOURCE_UNFIT';

  constructor(resource: string, what: string, mend: string, options?: ErrorOptions) {
    super(`Database '${resource}' cannot take part in transactions as they are configured: ${what}.`, mend, options);
  }
}

/** Posthorn's two tables are missing in a database, and the login may not make them. Nothing was started. */
export class ResourceTablesMissing extends PosthornError {
  readonly code = 'RESOURCE_TABLES_MISSING';

  /** @param sql - what makes them; undefined: they were there, and endpoints that start would make them */
  constructor(resource: string, sql: string | undefined, options?: ErrorOptions) {
    super(
      sql === undefined
        ? `Posthorn's tables were there in database '${resource}', and are gone: somebody has dropped them.`
        : `Posthorn's tables are missing in database '${resource}', and they could not be made.`,
      sql === undefined
        ? 'Start its endpoints again: that makes them anew, or says what is in doubt there.'
        : `Have somebody who may run this there:\n${sql}`,
      options,
    );
  }
}

/** A handler asked for a database that its endpoint does not list. The message fails. */
export class ResourceNotListed extends PosthornError {
  readonly code = 'RESOURCE_NOT_LISTED';

  constructor(resource: string, endpoint: string, listed: readonly string[]) {
    const known = listed.length === 0 ? 'it lists none' : `it lists ${listed.join(', ')}`;
    super(
      `Endpoint '${endpoint}' does not list the resource '${resource}'; ${known}.`,
      `Add it to the endpoint's option 'resources', with transactions: { mode: 'distributed' }.`,
    );
  }
}

/** A database was used through its resource outside of any transaction. Nothing was sent to it. */
export class NoTransaction extends PosthornError {
  readonly code = 'NO_TRANSACTION';

  constructor(resource: string) {
    super(
      `'${resource}' was used outside of handlers and of endpoint.transaction(…), so there is no transaction to join.`,
      'Use it inside one of them, or a connection of your own for work without messages.',
    );
  }
}

/** A handler returned, or a transaction's function did, while a statement was still running. It was rolled back. */
export class StatementStillRunning extends PosthornError {
  readonly code = 'STATEMENT_STILL_RUNNING';

  constructor(resource: string, statement: string) {
    super(
      `The handler ended while a statement on '${resource}' was still running: ${statement}.`,
      'Await every query before the handler returns. The transaction was rolled back.',
    );
  }
}

/** A statement failed earlier and its error was swallowed; half the work must not commit. It was rolled back. */
export class BranchDoomed extends PosthornError {
  readonly code = 'BRANCH_DOOMED';

  constructor(resource: string, cause: Error) {
    super(
      `A statement on '${resource}' failed before (${cause.message}), so its transaction cannot commit.`,
      "Let the error leave the handler; or make the resource with statementErrors: 'handled' when your code deals with it.",
      { cause },
    );
  }
}

/** A statement would end the transaction or step out of it. It was not sent, and the transaction rolls back. */
export class StatementRefused extends PosthornError {
  readonly code = 'STATEMENT_REFUSED';

  constructor(resource: string, statement: string) {
    super(
      `${statement} was refused on '${resource}': Posthorn begins and ends this transaction, together with the message's.`,
      'Leave it out; savepoints may be used. For work that must not be part of it, use a connection of your own.',
    );
  }
}

/** A database did not answer in time; its connection was given up. */
export class RequestTimedOut extends PosthornError {
  readonly code = 'REQUEST_TIMED_OUT';

  constructor(resource: string, request: string, afterMs: number, why: string) {
    super(
      `Database '${resource}' did not answer (${request}) within ${afterMs} ms: ${why}.`,
      "See what the server is doing; for statements that take longer, raise the resource's statementTimeoutMs.",
    );
  }
}

/** The driver of a database is not installed. */
export class DriverMissing extends PosthornError {
  readonly code = 'DRIVER_MISSING';

  constructor(resource: string, packageName: string, options: ErrorOptions) {
    super(
      `Database '${resource}' needs the package '${packageName}', which is not installed.`,
      `Run: npm install ${packageName}`,
      options,
    );
  }
}

/** There is no transaction of that id, or more than one begins so. Nothing was done. */
export class TransactionNotFound extends PosthornError {
  readonly code = 'TRANSACTION_NOT_FOUND';

  constructor(id: string, nearby: readonly string[]) {
    const why = nearby.length === 0 ? 'There is no transaction' : 'There is more than one transaction';
    super(
      `${why} whose id is or begins with '${id}'.`,
      nearby.length === 0
        ? "'posthorn transactions list' shows those that are not settled; one that is settled is gone from it."
        : `Give more of it; these begin so: ${nearby.join(', ')}.`,
    );
  }
}

/** An operator's action would break what is proven, or needs what is not there. Nothing was done. */
export class TransactionActionRefused extends PosthornError {
  readonly code = 'TRANSACTION_ACTION_REFUSED';

  constructor(action: string, id: string, why: string, mend: string) {
    super(`'${action}' was refused for ${id}: ${why}.`, mend);
  }
}

/** An action on a transaction needs a reason, which is kept. Nothing was done. */
export class ReasonMissing extends PosthornError {
  readonly code = 'REASON_MISSING';

  constructor(action: string) {
    super(`'${action}' was asked for without a reason.`, `Say why, as in --reason "ticket 4711: row checked by hand".`);
  }
}
