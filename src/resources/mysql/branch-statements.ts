import type { BranchGuard } from '../shared/branch-guard.ts';
import type { SessionWatch } from '../shared/session-watch.ts';
import { shownStatement } from '../shared/shown-statement.ts';
import { alwaysDooms, errorNumber, WRONG_BRANCH_STATE } from './answers.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { readStatementWords, type StatementWords } from './statement-words.ts';
import { askWriteCounters } from './write-counters.ts';

/**
 * Every statement of a branch's user on its way to the server and back: whether it may be sent (R4), what its failure does to
 * the branch (R5), and what it tells of the branch:
 *
 * - did all statements look as if they only read? Then counters of the server, before the first and after the last, tell
 *   whether one of them wrote all the same.
 * - has a row been changed for certain? A branch that is prepared without a change is answered 'rolled back' when another
 *   session commits it (finding F5), which would look like a heuristic outcome.
 * - may the session be another one afterwards?
 */
export class BranchStatements {
  readonly #parts: StatementParts;
  #count = 0;
  #looksReadOnly = true;
  #hasChanged = false;
  #changesSession = false;
  #countersBefore: Promise<string> | undefined;

  constructor(parts: StatementParts) {
    this.#parts = parts;
  }

  /** Proven by the server's own count of changed rows. */
  get hasProvenChange(): boolean {
    return this.#hasChanged && !this.#changesSession;
  }

  get changesSession(): boolean {
    return this.#changesSession;
  }

  /** Before a statement is sent, in the same turn. @throws when it may not be; then the branch is doomed */
  start(sql: string): StartedStatement {
    const { guard } = this.#parts;
    guard.admit();
    const words = readStatementWords(sql);
    if (words.isRefused) throw guard.refuse(shownStatement(sql));
    this.#note(words);
    const running = guard.started(sql);
    const watched = this.#watch(sql);
    return {
      done: () => {
        watched.done();
        running.done();
      },
      succeeded: (result) => {
        watched.done();
        this.#noteResult(words, result);
        running.done();
      },
      failed: (error) => {
        watched.done();
        const told = this.#tell(sql, error);
        running.done(told);
        return told;
      },
    };
  }

  /** After the last statement. @throws what the server said, or the connection */
  async hasWritten(): Promise<boolean> {
    const { connection } = this.#parts;
    if (this.#count === 0) return false;
    if (!this.#looksReadOnly) return true;
    const before = await this.#countersBefore;
    const after = await askWriteCounters(connection);
    if (before === after) connection.writeCounters = after;
    return before !== after;
  }

  #note(words: StatementWords): void {
    const { connection } = this.#parts;
    if (this.#count++ === 0 && words.looksReadOnly) this.#countersBefore = this.#readCounters();
    if (!words.looksReadOnly) {
      this.#looksReadOnly = false;
      connection.writeCounters = undefined;
    }
    this.#changesSession ||= words.changesSession;
    // After a savepoint's rollback the server takes the branch for one that has changed nothing (measured).
    if (words.undoesChanges) this.#hasChanged = false;
  }

  /** The driver sends one after another, so that these counters are those of before the statement. */
  #readCounters(): Promise<string> {
    const { connection } = this.#parts;
    const known = connection.writeCounters;
    connection.writeCounters = undefined;
    const counters = known === undefined ? askWriteCounters(connection) : Promise.resolve(known);
    // Whoever needs them hears of it; nobody does after a branch has written.
    counters.catch(() => undefined);
    return counters;
  }

  #noteResult(words: StatementWords, result: unknown): void {
    if (!isResultHeader(result)) return;
    const changed = words.countsChanges ? result.affectedRows : (result.changedRows ?? 0);
    if (!words.looksReadOnly && changed > 0) this.#hasChanged = true;
  }

  /** What the user of the statement hears. */
  #tell(sql: string, error: Error): Error {
    const { guard } = this.#parts;
    if (errorNumber(error) === WRONG_BRANCH_STATE) {
      const refusal = guard.refuse(shownStatement(sql));
      refusal.cause = error;
      return refusal;
    }
    if (alwaysDooms(error)) guard.doomBy(error);
    return error;
  }

  #watch(sql: string): { done(): void } {
    const { watch, connection, statementTimeoutMs } = this.#parts;
    return watch.watch({ connection, what: sql, timeoutMs: statementTimeoutMs });
  }
}

export interface StatementParts {
  readonly guard: BranchGuard;
  readonly connection: MysqlConnection;
  readonly watch: SessionWatch;
  readonly statementTimeoutMs: number;
}

/** One of the three is to be called, once. */
export interface StartedStatement {
  /** It was nothing that changes anything. */
  done(): void;
  succeeded(result: unknown): void;
  /** Returns what its user is told. */
  failed(error: Error): Error;
}

interface ResultHeader {
  readonly affectedRows: number;
  readonly changedRows?: number;
}

function isResultHeader(result: unknown): result is ResultHeader {
  return typeof result === 'object' && result !== null && 'affectedRows' in result && !Array.isArray(result);
}
