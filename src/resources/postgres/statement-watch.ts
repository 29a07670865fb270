import { Roster } from '../../io/roster.ts';
import { StatementRefused } from '../../transactions/errors.ts';
import { BranchGuard, type RunningStatement } from '../shared/branch-guard.ts';
import { connectionLost } from '../shared/connection-lost.ts';
import type { SessionWatch, Watched } from '../shared/session-watch.ts';
import { FORGOTTEN_STATEMENT, leavesSession, sqlState } from './answers.ts';
import type { BranchConnection } from './branch-connection.ts';
import type { BranchOpening } from './branch-opening.ts';
import type { StatementGate } from './guarded-client.ts';
import { judgeStatement } from './judge-statement.ts';
import { shownTarget } from './postgres-connection.ts';
import type { PostgresSettings } from './postgres-options.ts';

/**
 * All statements of one branch: whether they may be sent, their deadlines, and what the server's tags say they did.
 *
 * Statements are judged by their words before they are sent, and by the tags and the state of the transaction after: what
 * slipped past the first is caught by the second, and the branch is doomed.
 */
export class StatementWatch implements StatementGate {
  readonly #connection: BranchConnection;
  readonly #opening: BranchOpening;
  readonly #settings: PostgresSettings;
  readonly #watch: SessionWatch;
  readonly #guard: BranchGuard;
  readonly #overListeners: (() => void)[] = [];
  /** Those that are not answered. */
  readonly #watched = new Roster<{ readonly text: string; watched: Watched }>();
  #writes: 'no' | 'unknown' | 'yes' = 'no';
  #hasChangedSession = false;
  #lastError: Error | undefined;

  constructor(
    connection: BranchConnection,
    opening: BranchOpening,
    doors: { readonly settings: PostgresSettings; readonly watch: SessionWatch },
  ) {
    this.#connection = connection;
    this.#opening = opening;
    this.#settings = doors.settings;
    this.#watch = doors.watch;
    const { name, statementErrors } = doors.settings;
    this.#guard = new BranchGuard({ resource: name, statementErrors });
    connection.onTag((tag) => this.#completed(tag));
    connection.onReplaced(() => this.#watchAnew());
  }

  get isRunning(): boolean {
    return this.#guard.isRunning;
  }

  /** Undefined: only the server can tell. */
  get hasWritten(): boolean | undefined {
    return this.#writes === 'unknown' ? undefined : this.#writes === 'yes';
  }

  get hasChangedSession(): boolean {
    return this.#hasChangedSession;
  }

  admit(text: string | undefined): RunningStatement {
    this.#noteLoss();
    this.#guard.admit();
    if (text === undefined) throw this.#guard.refuse('A query object whose text cannot be read');
    if (this.#connection.current.readsBackslashes)
      throw this.#guard.refuse('A statement after standard_conforming_strings = off');
    const { refused, changesSession, notifies } = judgeStatement(text);
    if (refused !== undefined) throw this.#guard.refuse(refused);
    this.#hasChangedSession ||= changesSession;
    this.#writes = notifies ? 'yes' : this.#writes === 'no' ? 'unknown' : this.#writes;
    return this.#start(text);
  }

  refuse(what: string): Error {
    return this.#guard.refuse(what);
  }

  onOver(listener: () => void): void {
    this.#overListeners.push(listener);
  }

  /** @throws what dooms the branch */
  end(): void {
    this.#connection.onTag(undefined);
    this.#noteLoss();
    const { transactionStatus, isUsable } = this.#connection.current;
    if (!this.#guard.isRunning && isUsable) {
      if (transactionStatus === 'E' && this.#lastError !== undefined) this.#guard.doomBy(this.#lastError);
      if (transactionStatus === 'I' && this.#opening.isOpen) this.#doomEndedByHand();
    }
    this.#guard.end();
  }

  /** Whoever deals with errors of statements: without a transaction there is nothing to go on with. */
  failedToBegin(error: Error): void {
    this.#guard.doomBy(error);
  }

  over(): void {
    this.#connection.onTag(undefined);
    this.#guard.over();
    for (const listener of this.#overListeners.splice(0)) listener();
  }

  /** A statement that runs hears of it itself; where none does, nobody has swallowed anything. */
  #noteLoss(): void {
    if (this.#guard.isRunning || !this.#opening.isOpen || this.#connection.current.isUsable) return;
    const { name, target } = this.#settings;
    this.#guard.doomWith(connectionLost(name, shownTarget(target)));
  }

  #start(text: string): RunningStatement {
    const running = this.#guard.started(text);
    const statement = { text, watched: this.#watchStatement(text) };
    this.#watched.add(statement);
    return {
      text,
      done: (error) => {
        statement.watched.done();
        this.#watched.remove(statement);
        if (error !== undefined) this.#failed(error);
        running.done(error);
      },
    };
  }

  #watchStatement(text: string): Watched {
    const timeoutMs = this.#settings.statementTimeoutMs + ANSWER_MS;
    return this.#watch.watch({ connection: this.#connection.current, what: text, timeoutMs });
  }

  /** What waits for BEGIN waits on another connection now. */
  #watchAnew(): void {
    for (const statement of this.#watched.all()) {
      statement.watched.done();
      statement.watched = this.#watchStatement(statement.text);
    }
  }

  #failed(error: Error): void {
    this.#lastError = error;
    // The driver believes in a name that the session has forgotten, and would go on to.
    if (sqlState(error) === FORGOTTEN_STATEMENT) this.#hasChangedSession = true;
    // Only what the server itself answered can be left to the handler: anything else puts the connection in doubt.
    if (!leavesSession(error)) this.#guard.doomBy(error);
  }

  #completed(tag: string): void {
    const [command = ''] = tag.split(' ', 1);
    if (ENDS.has(command) || tag === 'PREPARE TRANSACTION') this.#doomEndedByHand();
    else if (!READS.has(command)) this.#writes = 'yes';
  }

  #doomEndedByHand(): void {
    const statement = 'A statement that ends the transaction by hand';
    this.#guard.doomWith(new StatementRefused(this.#settings.name, statement));
  }
}

/** What the network may take on top of the server's own limit. */
export const ANSWER_MS = 5000;

/** ROLLBACK is not among them: it is also the tag of ROLLBACK TO; the state of the transaction tells the other one. */
const ENDS: ReadonlySet<string> = new Set(['COMMIT', 'BEGIN', 'START']);
/** Commands that write nothing by themselves; whether a function that they called has, only the server can tell. */
const READS: ReadonlySet<string> = new Set([
  'SELECT',
  'SHOW',
  'SET',
  'SAVEPOINT',
  'RELEASE',
  'ROLLBACK',
  'DECLARE',
  'FETCH',
  'MOVE',
  'CLOSE',
  'EXPLAIN',
  'PREPARE',
  'DEALLOCATE',
  'RESET',
]);
