import type { Direction } from '../../transactions/resource-manager.ts';

/**
 * What a server of the MySQL family says at each step of a branch, and what that proves (guarantees-and-faults.md 4.5).
 *
 * The tables are closed: an answer that does not stand in one proves nothing. Every row was measured on MariaDB 10.11
 * (test/resources/mysql-answers.test.ts).
 */

/** An error packet of the server, as the driver hands it out: `errno` is there only when the server has spoken. */
export interface ServerError extends Error {
  readonly errno: number;
  readonly code?: string;
}

/** False for lost connections and everything else that the server did not say about this very statement. */
export function isServerError(error: unknown): error is ServerError {
  return (
    error instanceof Error &&
    'errno' in error &&
    typeof error.errno === 'number' &&
    error.errno > 0 &&
    !('fatal' in error && error.fatal === true) &&
    !CONNECTION_ENDS.has(error.errno)
  );
}

export function errorNumber(error: unknown): number | undefined {
  return isServerError(error) ? error.errno : undefined;
}

export const DUPLICATE_KEY = 1062;
export const NO_SUCH_THREAD = 1094;
export const TABLE_ACCESS_DENIED = 1142;
export const NO_SUCH_TABLE = 1146;
export const LOCK_WAIT_TIMEOUT = 1205;
export const DEADLOCK = 1213;
export const UNKNOWN_BRANCH = 1397;
export const WRONG_BRANCH_STATE = 1399;
export const BRANCH_ROLLED_BACK = 1402;

/** What each number means, for people and for the tables below. */
export const ANSWERS = {
  [DUPLICATE_KEY]: 'a row of that key is there; the transaction lives on, and a COMMIT would commit the rest of it',
  [NO_SUCH_THREAD]: 'no session of that number is there',
  [LOCK_WAIT_TIMEOUT]: 'a lock was not granted in time; the transaction lives on',
  [DEADLOCK]: 'the whole transaction was rolled back as the victim of a deadlock',
  [UNKNOWN_BRANCH]:
    'no branch of that id that this session could see: finished, never there, or its owner is connected',
  [WRONG_BRANCH_STATE]: 'the branch is in a state in which this is not possible',
  [BRANCH_ROLLED_BACK]: 'the branch was rolled back',
} as const satisfies Readonly<Record<number, string>>;

/**
 * After these nothing of the branch can be saved, whatever its user says about errors: the server has rolled back more than
 * the statement, or the statement was an attempt to end the transaction.
 */
const ALWAYS_DOOMS: ReadonlySet<number> = new Set([
  1020, // a row has changed since it was read (snapshot isolation)
  1180, // error during commit
  1181, // error during rollback
  LOCK_WAIT_TIMEOUT, // innodb_rollback_on_timeout may have rolled everything back
  1206, // the lock table is full
  DEADLOCK,
  1397,
  1398,
  WRONG_BRANCH_STATE,
  1400,
  1401,
  BRANCH_ROLLED_BACK,
  1440,
  1613, // the branch was rolled back: it took too long
  1614, // the branch was rolled back: a deadlock
]);

/** The server ends the connection along with saying these. */
const CONNECTION_ENDS: ReadonlySet<number> = new Set([
  1053, // shutdown in progress
  1152, // aborted connection
  1184, // aborted connection
  1927, // connection was killed
  4031, // disconnected because of inactivity
]);

/** Whether a failed statement dooms its branch even when its user handles errors. */
export function alwaysDooms(error: unknown): boolean {
  return !isServerError(error) || ALWAYS_DOOMS.has(error.errno);
}

/** An answer to XA COMMIT … ONE PHASE, or to XA PREPARE: these prove that nothing of the branch was committed or prepared. */
const PROVEN_NO: ReadonlySet<number> = new Set([WRONG_BRANCH_STATE, BRANCH_ROLLED_BACK, 1613, 1614]);

/** What an error says after XA COMMIT … ONE PHASE. */
export function judgeOnePhaseCommit(error: unknown): 'refused' | 'unknown' {
  return isServerError(error) && PROVEN_NO.has(error.errno) ? 'refused' : 'unknown';
}

/** What an error says after XA PREPARE. */
export function judgePrepare(error: unknown): 'no' | 'unknown' {
  return isServerError(error) && PROVEN_NO.has(error.errno) ? 'no' : 'unknown';
}

/**
 * What an error says after XA COMMIT or XA ROLLBACK of a prepared branch. `look`: only a scan can tell.
 *
 * BRANCH_ROLLED_BACK is a proof because every branch that is prepared has changed something (see mysql-branch.ts): one that
 * has not is answered so as well.
 */
export function judgeFinish(error: unknown, direction: Direction): 'done' | 'heuristicRollback' | 'look' | 'again' {
  switch (errorNumber(error)) {
    case UNKNOWN_BRANCH:
      return 'look';
    case BRANCH_ROLLED_BACK:
      return direction === 'rollback' ? 'done' : 'heuristicRollback';
    default:
      return 'again';
  }
}

/** What an error says after the insert of an abort row: only a duplicate is an answer. */
export function judgeFence(error: unknown): 'read' | 'again' {
  return errorNumber(error) === DUPLICATE_KEY ? 'read' : 'again';
}

/** A scan says that the branch is not there, and the answer before said it is unknown. */
export function judgeAbsent(
  direction: Direction,
  mayHaveFinished: boolean,
): { readonly kind: 'done'; readonly proof: string } | { readonly kind: 'hazard' } {
  if (direction === 'rollback') return { kind: 'done', proof: 'absent from XA RECOVER' };
  if (mayHaveFinished) return { kind: 'done', proof: 'absent from XA RECOVER after an attempt to commit it' };
  return { kind: 'hazard' };
}

/** `1205 ER_LOCK_WAIT_TIMEOUT: Lock wait timeout exceeded; …`, for records and operators. */
export function describeAnswer(error: unknown): string {
  if (isServerError(error)) return `${error.errno} ${error.code ?? ''}: ${error.message}`;
  if (error instanceof Error) return 'code' in error ? `${String(error.code)}: ${error.message}` : error.message;
  return String(error);
}
