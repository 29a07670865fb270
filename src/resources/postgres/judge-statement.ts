import { rememberByText } from '../shared/remember-by-text.ts';
import { type Statement, splitStatements } from './split-statements.ts';

/** What a text of SQL would do to the transaction and to the session it runs in, as far as its words say. */
export const judgeStatement = rememberByText(judge);

function judge(text: string): StatementJudgement {
  let changesSession = false;
  for (const statement of splitStatements(text)) {
    const refused = refusedAs(statement);
    if (refused !== undefined) return { refused, changesSession: false, notifies: false };
    changesSession ||= leavesTrace(statement);
  }
  return { refused: undefined, changesSession, notifies: /pg_notify/i.test(text) };
}

export interface StatementJudgement {
  /** What it is called in the refusal: 'COMMIT'. Undefined: it may be sent. */
  readonly refused: string | undefined;
  /** Something of it stays in the session when the transaction is over, so nobody else should get that session. */
  readonly changesSession: boolean;
  /** Has an effect by its commit that needs no transaction number. */
  readonly notifies: boolean;
}

function refusedAs({ words }: Statement): string | undefined {
  const [first = '', second = ''] = words;
  switch (first) {
    case 'COMMIT':
    case 'PREPARE':
      if (first === 'PREPARE' && second !== 'TRANSACTION') return undefined;
      return second === 'PREPARED' || second === 'TRANSACTION' ? `${first} ${second}` : first;
    case 'ROLLBACK':
      if (second === 'PREPARED') return 'ROLLBACK PREPARED';
      return isToSavepoint(words) ? undefined : first;
    case 'BEGIN':
    case 'START':
    case 'END':
    case 'ABORT':
      return first;
    case 'SET':
    case 'RESET':
      return touchesOurs(words) ? `${first} of a setting of Posthorn` : undefined;
    default:
      return undefined;
  }
}

function isToSavepoint(words: readonly string[]): boolean {
  const [, second, third] = words;
  return second === 'TO' || ((second === 'WORK' || second === 'TRANSACTION') && third === 'TO');
}

function touchesOurs(words: readonly string[]): boolean {
  const [first, second, third] = words;
  if (first === 'RESET') return second === 'ALL' || second === 'POSTHORN';
  return (second === 'LOCAL' || second === 'SESSION' ? third : second) === 'POSTHORN';
}

function leavesTrace({ words }: Statement): boolean {
  const [first, second = ''] = words;
  switch (first) {
    case 'SET':
      return !['LOCAL', 'CONSTRAINTS', 'TRANSACTION'].includes(second);
    case 'CREATE':
      return words.includes('TEMP') || words.includes('TEMPORARY');
    case 'DECLARE':
      return words.includes('HOLD');
    case 'RESET':
    case 'DISCARD':
    case 'LISTEN':
    case 'UNLISTEN':
    case 'LOAD':
    case 'PREPARE':
    // The driver goes on to believe in the names that it has given.
    case 'DEALLOCATE':
      return true;
    default:
      return false;
  }
}
