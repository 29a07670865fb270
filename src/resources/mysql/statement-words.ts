import { rememberByText } from '../shared/remember-by-text.ts';

/**
 * What a statement is by its first words, for the guard of a branch. A quick look, no parser: the server itself refuses
 * COMMIT, ROLLBACK, BEGIN and all DDL inside XA, however they are wrapped (measured). What is told here is what the server
 * would let through, what is to be refused without a round trip, and what can be trusted to have left the session as it was.
 */
export interface StatementWords {
  /** Refused before it is sent: it ends the transaction, or steps out of it. */
  readonly isRefused: boolean;
  /** It looks as if it only read. Functions that it calls may write all the same; counters of the server tell. */
  readonly looksReadOnly: boolean;
  /** The count of rows that it reports is one of rows that it has really changed; an UPDATE counts those it has found. */
  readonly countsChanges: boolean;
  /** It may undo rows that were changed before: ROLLBACK TO a savepoint. */
  readonly undoesChanges: boolean;
  /** The session may be another one after it: variables, temporary tables, locks by name. */
  readonly changesSession: boolean;
}

export const readStatementWords = rememberByText(readWords);

function readWords(sql: string): StatementWords {
  const text = withoutComments(sql);
  const [first = '', second = '', third = ''] =
    text
      .slice(0, 200)
      .toLowerCase()
      .match(/[a-z_@]+/g) ?? [];
  const isRefused = REFUSED.some((rule) => rule(first, second, third, text));
  return {
    isRefused,
    looksReadOnly: READING.has(first) || isSavepoint(first),
    countsChanges: first === 'delete' || first === 'replace' || (first === 'insert' && !/\bduplicate\b/i.test(text)),
    undoesChanges: first === 'rollback',
    changesSession: !(READING.has(first) || WRITING.has(first) || isSavepoint(first)) || /\bget_lock\s*\(/i.test(text),
  };
}

const READING = new Set(['select', 'with', 'show', 'describe', 'desc', 'explain', 'values', 'table']);
const WRITING = new Set(['insert', 'update', 'delete', 'replace']);

type Rule = (first: string, second: string, third: string, text: string) => boolean;

const REFUSED: readonly Rule[] = [
  (first) => first === 'xa' || first === 'commit',
  (first, second, third) => first === 'rollback' && second !== 'to' && !(second === 'work' && third === 'to'),
  // BEGIN NOT ATOMIC opens a compound statement, in which the server still refuses a COMMIT.
  (first, second) => first === 'begin' && second !== 'not',
  (first, second) => first === 'start' && second === 'transaction',
  (first, _second, _third, text) => first === 'set' && /\bautocommit\b/i.test(text),
  // XA is allowed in statements that are prepared by name, and would be seen by nobody.
  (first, _second, _third, text) => (first === 'prepare' || first === 'execute') && /\bxa\b/i.test(text),
];

function isSavepoint(first: string): boolean {
  return first === 'savepoint' || first === 'release' || first === 'rollback';
}

/** Comments before the first words are taken away; what the server executes although it looks like one is code. */
function withoutComments(sql: string): string {
  let text = sql;
  for (;;) {
    const next = text
      .replace(/^[\s(;]+/, '')
      .replace(/^\/\*M?!\d*/i, ' ')
      .replace(/^\/\*[\s\S]*?\*\//, ' ')
      .replace(/^(--[ \t]|--$|#)[^\n]*/, ' ');
    if (next === text) return text;
    text = next;
  }
}
