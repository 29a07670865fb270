import type { PoolClient } from 'pg';
import { invariant, isPosthornError } from '../../message/posthorn-error.ts';
import { asError } from '../../transactions/as-error.ts';
import { StatementRefused } from '../../transactions/errors.ts';
import type {
  Branch,
  BranchEvidence,
  BranchRequest,
  Direction,
  FinishAnswer,
  MarkerAnswer,
  PrepareAnswer,
  ResourceManager,
} from '../../transactions/resource-manager.ts';
import { formatBranchId } from '../../transactions/transaction-id.ts';
import { connectionLost } from '../shared/connection-lost.ts';
import type { ConnectionPool } from '../shared/connection-pool.ts';
import { markerForbidden } from '../shared/marker-forbidden.ts';
import type { SessionWatch } from '../shared/session-watch.ts';
import { MARKER_TABLE } from '../shared/table-names.ts';
import { leavesSession, sqlState } from './answers.ts';
import { askForVote } from './ask-for-vote.ts';
import { AWAIT_DISK } from './await-disk.ts';
import { beginStatements } from './begin-statements.ts';
import { BEGIN_MS, type BranchConnection } from './branch-connection.ts';
import { BranchOpening } from './branch-opening.ts';
import { finishBranch } from './finish-branch.ts';
import { guardClient } from './guarded-client.ts';
import { grantTables } from './inspect-postgres.ts';
import { type Answer, type PostgresConnection, shownTarget } from './postgres-connection.ts';
import type { PostgresSettings } from './postgres-options.ts';
import type { PostgresTables } from './postgres-tables.ts';
import type { OwnStatement, RoundTripAnswer } from './round-trip.ts';
import { ANSWER_MS, StatementWatch } from './statement-watch.ts';
import { tablesMissing } from './tables-missing.ts';

/**
 * A transaction on one connection of the pool, from its acquisition until its end is answered (R3). It begins with the first
 * statement (branch-opening.ts).
 *
 *     working ──end──▶ ended ──prepare: yes──▶ prepared ──finish──▶ over
 *        │               ├──commitReadOnly, commitWithMarker────────▲
 *        └──rollback─────┴──(any doubt: the connection is cut)──────┘
 *
 * The transaction carries its id as a setting that ends with it. Marker and COMMIT are one round trip, and the marker takes the
 * id from that setting; PREPARE is asked in one round trip with a comparison of it. So a transaction that was ended by hand
 * and begun again, whatever way that was done, can neither commit nor be prepared (R4).
 */
export class PostgresBranch implements Branch {
  readonly id: BranchRequest['id'];
  readonly resource: ResourceManager;
  readonly client: PoolClient;
  readonly #doors: BranchDoors;
  readonly #connection: BranchConnection;
  readonly #opening: BranchOpening;
  readonly #statements: StatementWatch;
  #state: 'working' | 'ended' | 'prepared' | 'over' = 'working';
  #transactionNumber: string | undefined;

  constructor(request: BranchRequest, connection: BranchConnection, doors: BranchDoors) {
    this.id = request.id;
    this.resource = doors.resource;
    this.#doors = doors;
    this.#connection = connection;
    this.#opening = this.#openingOf(request);
    this.#statements = new StatementWatch(connection, this.#opening, doors);
    this.client = guardClient(connection, this.#statements, this.#opening);
  }

  get session(): string {
    return this.#connection.current.session;
  }

  /** Asks for BEGIN now. @throws what the server said, or the connection */
  begin(): Promise<void> {
    return new Promise((resolve, reject) => this.#opening.whenOpen({ send: resolve, refuse: reject }));
  }

  async end(): Promise<{ readonly hasWritten: boolean }> {
    this.#statements.end();
    this.#state = 'ended';
    const hasWritten = this.#statements.hasWritten;
    if (hasWritten !== undefined) return { hasWritten };
    try {
      const { rows } = await this.#ask('has it written', HAS_NUMBER);
      return { hasWritten: rows.at(-1)?.number !== null };
    } catch (error) {
      throw this.#told(error);
    }
  }

  async commitReadOnly(): Promise<void> {
    this.#expect('ended');
    if (this.#opening.isClosed) return this.#giveBack();
    let tags: readonly string[];
    try {
      ({ tags } = await this.#together('commit', [COMMIT]));
    } catch (error) {
      await this.#leaveFailed(error);
      throw this.#told(error);
    }
    this.#giveBack();
    if (tags.at(-1) !== 'COMMIT') throw this.#endedByHand();
  }

  async commitWithMarker(): Promise<MarkerAnswer> {
    this.#expect('ended');
    const { tables } = this.#doors;
    try {
      const { tags } = await this.#together('commit', [insertMarker(tables), COMMIT]);
      this.#giveBack();
      if (tags.at(-1) === 'COMMIT') return { kind: 'committed' };
      return { kind: 'refused', error: this.#endedByHand() };
    } catch (error) {
      // The server said no, and the session, asked once more, has nothing left that could commit.
      const isProven = await this.#leaveFailed(error);
      const told = this.#told(error);
      return isProven ? { kind: 'refused', error: told } : { kind: 'unknown', error: told };
    }
  }

  async prepare(): Promise<PrepareAnswer> {
    this.#expect('ended');
    const vote = await askForVote({
      id: this.id,
      connection: this.#connection.current,
      resource: this.#doors.settings.name,
      ask: (what, sql) => this.#ask(what, sql),
      together: (what, statements) => this.#together(what, statements),
    });
    this.#transactionNumber = vote.transactionNumber;
    if (vote.kind === 'yes') this.#state = 'prepared';
    else if (vote.kind === 'no' && vote.isSessionClean) this.#giveBack();
    else this.#cut();
    return vote.kind === 'yes' ? { kind: 'yes' } : { kind: vote.kind, error: this.#told(vote.error) };
  }

  evidence(): BranchEvidence {
    const { session } = this;
    const transactionNumber = this.#transactionNumber;
    return transactionNumber === undefined ? { session } : { session, transactionNumber };
  }

  async finish(direction: Direction): Promise<FinishAnswer> {
    this.#expect('prepared');
    const ask = (what: string, sql: string): Promise<Answer> => this.#ask(what, sql);
    const request = { id: this.id, direction, evidence: this.evidence(), mayHaveFinished: false };
    const answer = await finishBranch(request, { ask });
    if (answer.kind === 'done') this.#giveBack();
    else this.#cut();
    return answer;
  }

  async rollback(): Promise<void> {
    if (this.#state === 'over') return;
    if (this.#state === 'prepared') return void (await this.finish('rollback'));
    if (this.#opening.isClosed) return this.#giveBack();
    if (this.#statements.isRunning) return this.#rollbackBusy();
    await this.#leaveFailed(undefined);
  }

  /** What still runs holds locks on the server; so the server is told to end it, and not only this side. */
  async #rollbackBusy(): Promise<void> {
    this.#cut();
    await this.#doors.endSession(this.session);
  }

  /** After an error: true when it was the server's answer, and the session has no transaction any more. */
  async #leaveFailed(error: unknown): Promise<boolean> {
    if ((error === undefined || leavesSession(error)) && this.#connection.current.isUsable) {
      try {
        await this.#ask('rollback', 'rollback', ROLLBACK_MS);
        this.#giveBack();
        return sqlState(error) !== undefined;
      } catch {
        // Not answered: cutting the connection makes the server roll back.
      }
    }
    this.#cut();
    return false;
  }

  /** What went wrong with a statement of our own: the server's word, or that it could not be heard any more. */
  #told(thrown: unknown): Error {
    const error = asError(thrown);
    if (isPosthornError(error)) return error;
    const { name, target } = this.#doors.settings;
    if (!leavesSession(error)) return connectionLost(name, shownTarget(target), error);
    const isForbidden = sqlState(error) === '42501' && error.message.includes(MARKER_TABLE);
    if (isForbidden) return markerForbidden(name, `'${target.user}'`, grantTables(target.user), error);
    return tablesMissing(error, name) ?? error;
  }

  #openingOf(request: BranchRequest): BranchOpening {
    return new BranchOpening(this.#connection, {
      statements: beginStatements(request),
      within: (answer) => this.#guarded('begin', answer, BEGIN_MS),
      failed: (error) => this.#statements.failedToBegin(error),
    });
  }

  #ask(what: string, sql: string, timeoutMs?: number): Promise<Answer> {
    return this.#guarded(what, this.#connection.current.run(sql), timeoutMs);
  }

  #together(what: string, statements: readonly OwnStatement[]): Promise<RoundTripAnswer> {
    return this.#guarded(what, this.#connection.current.together(statements));
  }

  #guarded<Result>(
    what: string,
    answer: Promise<Result>,
    timeoutMs = this.#doors.settings.statementTimeoutMs + ANSWER_MS,
  ): Promise<Result> {
    return this.#doors.watch.guard({ connection: this.#connection.current, what, timeoutMs }, answer);
  }

  #giveBack(): void {
    this.#over();
    if (this.#statements.hasChangedSession) void this.#connection.current.close();
    this.#connection.release();
  }

  #cut(): void {
    this.#over();
    this.#connection.discard();
  }

  #over(): void {
    this.#state = 'over';
    this.#statements.over();
  }

  #expect(state: 'ended' | 'prepared'): void {
    invariant(this.#state === state, `branch ${formatBranchId(this.id)} is ${state}, not ${this.#state}`);
  }

  #endedByHand(): StatementRefused {
    return new StatementRefused(this.#doors.settings.name, 'A statement that ends the transaction by hand');
  }
}

/** What a branch has of its resource manager. */
export interface BranchDoors {
  readonly resource: ResourceManager;
  readonly settings: PostgresSettings;
  readonly tables: PostgresTables;
  readonly pool: ConnectionPool<PostgresConnection>;
  readonly watch: SessionWatch;
  /** Ends a session over another connection, within a deadline; never rejects. */
  endSession(session: string): Promise<void>;
}

const ROLLBACK_MS = 5000;

const COMMIT: OwnStatement = { text: 'commit', isKept: true };

const HAS_NUMBER = 'select pg_catalog.pg_current_xact_id_if_assigned()::text as number';

/** A handler may have asked for a commit that does not wait for the disk; this one is a promise to a queue. */
function insertMarker(tables: PostgresTables): OwnStatement {
  const id = "pg_catalog.current_setting('posthorn.transaction')";
  const text = `insert into ${tables.marker} (id, outcome) values (${id}, 'c') returning ${AWAIT_DISK}`;
  return { text, isKept: true };
}
