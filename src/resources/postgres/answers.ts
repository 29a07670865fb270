import type { Direction, FinishAnswer } from '../../transactions/resource-manager.ts';

/**
 * What PostgreSQL's answers mean at each step of a commit (guarantees-and-faults.md 4.5). Measured against real servers by
 * test/resources/postgres-answers.test.ts, row by row. Nothing is concluded from an answer that does not stand here.
 */

/** PREPARE TRANSACTION, by the tag it was answered with. */
export function votedYes(tags: readonly string[]): boolean {
  // In a transaction that had failed, and outside of any, the answer is a success with the tag ROLLBACK (finding F1).
  return tags.at(-1) === 'PREPARE TRANSACTION';
}

/** PREPARE TRANSACTION, by the error: proven that nothing is prepared; undefined: not proven by the code alone. */
export function refusedVote(code: string): VoteRefusal | undefined {
  return VOTE_REFUSALS[code] ?? VOTE_REFUSALS[code.slice(0, 2)];
}

export type VoteRefusal =
  /** The transaction ran into another one: worth another try. */
  | 'retry'
  /** A deferred constraint, a temporary table, NOTIFY: it will be so again. */
  | 'wrong'
  | 'full'
  | 'disabled'
  /** A branch of that very id is prepared: an alarm. */
  | 'duplicate'
  | 'endedByHand';

const VOTE_REFUSALS: Readonly<Record<string, VoteRefusal>> = {
  '40001': 'retry',
  '40P01': 'retry',
  '55P03': 'retry',
  // Of our own question, whether the transaction is the one that was begun.
  '22012': 'endedByHand',
  '25P02': 'wrong',
  '0A000': 'wrong',
  '22': 'wrong',
  '23': 'wrong',
  '42': 'wrong',
  '44': 'wrong',
  P0: 'wrong',
  '53200': 'full',
  '55000': 'disabled',
  '42710': 'duplicate',
};

/** COMMIT PREPARED and ROLLBACK PREPARED, by the error. `gone`: no such branch, so the transaction's own status is asked for. */
export function refusedFinish(code: string): FinishRefusal {
  return FINISH_REFUSALS[code] ?? 'again';
}

export type FinishRefusal = 'gone' | 'busy' | 'otherUser' | 'otherDatabase' | 'again';

const FINISH_REFUSALS: Readonly<Record<string, FinishRefusal>> = {
  '42704': 'gone',
  '55000': 'busy',
  '42501': 'otherUser',
  '0A000': 'otherDatabase',
};

/**
 * What pg_xact_status said of a branch that is gone. `null`: too old to be told; undefined: there is no number to ask by;
 * `inFuture`: the server has not come so far, so it is not the one that prepared, or went back in time.
 */
export type XactStatus = 'committed' | 'aborted' | 'in progress' | 'inFuture' | null | undefined;

/** A branch that is not there any more. */
export function judgeGone(request: {
  readonly direction: Direction;
  readonly status: XactStatus;
  readonly mayHaveFinished: boolean;
}): FinishAnswer {
  const { direction, status, mayHaveFinished } = request;
  const answer = `it is not prepared (42704), and its status is ${status === undefined ? 'not known' : status}`;
  if (status === 'in progress') return { kind: 'again', answer };
  if (direction === 'rollback') {
    if (status === 'committed') return { kind: 'heuristic', outcome: 'committed', answer };
    return { kind: 'done', proof: answer };
  }
  if (status === 'committed') return { kind: 'done', proof: answer };
  if (status === 'aborted') return { kind: 'heuristic', outcome: 'rolledBack', answer };
  if (status === undefined && mayHaveFinished)
    return { kind: 'done', proof: `${answer}; our own attempt may have been carried out` };
  return { kind: 'heuristic', outcome: 'hazard', answer };
}

/** An insert of an abort row that came to nothing and says nothing: ask again. */
export function fenceAnswer(code: string | undefined, text: string): string {
  return FENCE_WORDS[code ?? ''] ?? text;
}

const FENCE_WORDS: Readonly<Record<string, string>> = {
  '55P03': 'the row is locked: the transaction may be about to commit (55P03)',
  '57014': 'the server did not get to it in time (57014)',
  '40001': 'another transaction came between (40001)',
  '40P01': 'it was the victim of a deadlock (40P01)',
};

/** invalid_sql_statement_name: somebody made the session forget its statements, in a way that no tag told. */
export const FORGOTTEN_STATEMENT = '26000';

/** The code of an error that the server itself sent; undefined: the connection failed, or the driver. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** The server's own answer to one request, after which the session goes on. */
export function leavesSession(error: unknown): boolean {
  const code = sqlState(error);
  // 57P01 to 57P05: the session is being ended. 40003: it cannot say whether the statement was completed.
  return (
    code !== undefined && !code.startsWith('08') && !code.startsWith('57P') && code !== '40003' && code !== '25P03'
  );
}
