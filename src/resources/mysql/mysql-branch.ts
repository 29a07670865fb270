import { invariant, isPosthornError } from '../../message/posthorn-error.ts';
import { asError } from '../../transactions/as-error.ts';
import { ResourceTablesMissing } from '../../transactions/errors.ts';
import type {
  Branch,
  BranchEvidence,
  Direction,
  FinishAnswer,
  MarkerAnswer,
  PrepareAnswer,
  ResourceManager,
} from '../../transactions/resource-manager.ts';
import type { BranchId } from '../../transactions/transaction-id.ts';
import { BranchGuard, type StatementErrors } from '../shared/branch-guard.ts';
import { markerForbidden } from '../shared/marker-forbidden.ts';
import type { SessionWatch } from '../shared/session-watch.ts';
import {
  describeAnswer,
  errorNumber,
  isServerError,
  judgeFinish,
  judgeOnePhaseCommit,
  judgePrepare,
  NO_SUCH_TABLE,
  TABLE_ACCESS_DENIED,
} from './answers.ts';
import { BranchStatements } from './branch-statements.ts';
import { type GuardedClient, GuardedConnection } from './guarded-connection.ts';
import { quoteAccount } from './inspect-server.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import type { MysqlTables } from './mysql-tables.ts';
import { xidLiteral } from './xid.ts';

/**
 * A branch on MariaDB or MySQL, always under XA START, so that the server itself refuses COMMIT, ROLLBACK, BEGIN and DDL.
 *
 *     working ──end()──▶ ended ──commitReadOnly()──▶ over            XA END, XA COMMIT … ONE PHASE
 *        │                 ├──commitWithMarker()──▶ over             insert 'c'; its answer; XA END; XA COMMIT … ONE PHASE
 *        │                 └──prepare()──▶ prepared ──finish()──▶ over       XA END, XA PREPARE; XA COMMIT or ROLLBACK
 *        └──rollback()──▶ over                                       XA END, XA ROLLBACK
 *
 * - The marker's insert is answered before XA COMMIT is sent: after 1062 a commit would still commit the handler's work
 *   (measured). So whatever goes wrong before XA COMMIT is sent is a proven no.
 * - Every branch that is prepared has changed a row: one that has not is answered 1402 when another session commits it, as if
 *   it had been rolled back (finding F5). Where no change is proven, a row is inserted and deleted.
 * - XA PREPARE binds the branch to its session until that ends (finding F2): it is finished on this connection, or the
 *   connection is cut so that recovery can finish it. A prepared connection never returns to the pool.
 */
export class MysqlBranch implements Branch {
  readonly id: BranchId;
  readonly resource: ResourceManager;
  readonly client: GuardedClient;
  readonly session: string;
  readonly #parts: BranchParts;
  readonly #connection: MysqlConnection;
  readonly #guard: BranchGuard;
  readonly #statements: BranchStatements;
  readonly #xid: string;
  readonly #forgetGone: () => void;
  #state: 'working' | 'ended' | 'prepared' | 'over' = 'working';
  #hasEndedXa = false;

  constructor(parts: BranchParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.resource = parts.resource;
    this.#connection = parts.connection;
    this.session = parts.connection.session;
    this.#xid = xidLiteral(parts.id);
    this.#guard = new BranchGuard({ resource: parts.resource.name, statementErrors: parts.statementErrors });
    const { watch, statementTimeoutMs, connection } = parts;
    this.#statements = new BranchStatements({ guard: this.#guard, connection, watch, statementTimeoutMs });
    this.client = new GuardedConnection({
      guard: this.#guard,
      connection,
      statements: this.#statements,
      lost: parts.lost,
    }).promise();
    this.#forgetGone = connection.onGone(() => this.#connectionGone());
  }

  async end(): Promise<{ readonly hasWritten: boolean }> {
    this.#guard.end();
    this.#state = 'ended';
    try {
      return { hasWritten: await this.#ask('counters', this.#statements.hasWritten()) };
    } catch (error) {
      throw this.#told(error);
    }
  }

  async commitReadOnly(): Promise<void> {
    this.#expect('ended');
    try {
      await this.#endXa();
      await this.#say('commit', `xa commit ${this.#xid} one phase`);
    } catch (error) {
      throw this.#told(error);
    }
    this.#over('release');
  }

  async commitWithMarker(): Promise<MarkerAnswer> {
    this.#expect('ended');
    try {
      await this.#say(
        'marker',
        `insert into ${this.#parts.tables.marker} (id, outcome) values ('${this.id.transaction}', 'c')`,
      );
      await this.#endXa();
    } catch (error) {
      await this.rollback();
      return { kind: 'refused', error: this.#told(error) };
    }
    try {
      await this.#say('commit', `xa commit ${this.#xid} one phase`);
    } catch (error) {
      const kind = judgeOnePhaseCommit(error);
      if (kind === 'refused') await this.rollback();
      else this.#giveUp();
      return { kind, error: this.#told(error) };
    }
    this.#over('release');
    return { kind: 'committed' };
  }

  async prepare(): Promise<PrepareAnswer> {
    this.#expect('ended');
    try {
      if (!this.#statements.hasProvenChange) await this.#changeSomething();
      await this.#endXa();
    } catch (error) {
      // XA PREPARE was never sent, so that it cannot become prepared.
      await this.rollback();
      return { kind: 'no', error: this.#told(error) };
    }
    try {
      await this.#say('prepare', `xa prepare ${this.#xid}`);
    } catch (error) {
      const kind = judgePrepare(error);
      if (kind === 'no') await this.rollback();
      else this.#giveUp();
      return { kind, error: this.#told(error) };
    }
    this.#state = 'prepared';
    return { kind: 'yes' };
  }

  evidence(): BranchEvidence {
    return { session: this.session };
  }

  async finish(direction: Direction): Promise<FinishAnswer> {
    this.#expect('prepared');
    try {
      await this.#say(direction, `xa ${direction} ${this.#xid}`);
    } catch (error) {
      return this.#finishFailed(error, direction);
    }
    this.#over('release');
    return { kind: 'done', proof: `XA ${direction.toUpperCase()} was answered OK` };
  }

  async rollback(): Promise<void> {
    if (this.#state === 'over') return;
    if (this.#guard.isRunning || !this.#connection.isUsable) {
      // What still runs there would hold its locks on: the server is told to end the session.
      const wasRunning = this.#guard.isRunning;
      this.#over('discard');
      if (wasRunning) await this.#parts.endSession(this.session);
      return;
    }
    try {
      if (this.#state !== 'prepared') await this.#tryEndXa();
      await this.#say('rollback', `xa rollback ${this.#xid}`);
      this.#over('release');
    } catch (error) {
      this.#over(judgeFinish(error, 'rollback') === 'done' ? 'release' : 'discard');
    }
  }

  #finishFailed(error: unknown, direction: Direction): FinishAnswer {
    const answer = describeAnswer(error);
    const judgement = judgeFinish(error, direction);
    this.#over(judgement === 'done' ? 'release' : 'discard');
    switch (judgement) {
      case 'done':
        return { kind: 'done', proof: answer };
      case 'heuristicRollback':
        return { kind: 'heuristic', outcome: 'rolledBack', answer };
      case 'look':
      case 'again':
        return { kind: 'again', answer };
      default:
        return judgement satisfies never;
    }
  }

  /** Under a key that no other branch uses, so that two branches in one database do not wait for each other. */
  async #changeSomething(): Promise<void> {
    const [, , generation = '', epoch = '', sequence = ''] = this.id.transaction.split('.');
    const key = `p.${generation}.${epoch}.${sequence}.${this.id.qualifier}`;
    await this.#say('marker', `insert into ${this.#parts.tables.marker} (id, outcome) values ('${key}', 'p')`);
    await this.#say('marker', `delete from ${this.#parts.tables.marker} where id = '${key}'`);
  }

  async #endXa(): Promise<void> {
    await this.#say('end', `xa end ${this.#xid}`);
    this.#hasEndedXa = true;
  }

  /** A branch that the server has rolled back already answers this with an error, and the rollback after it without. */
  async #tryEndXa(): Promise<void> {
    if (this.#hasEndedXa) return;
    try {
      await this.#endXa();
    } catch (error) {
      if (!isServerError(error)) throw error;
    }
  }

  /** A statement that runs hears of it itself; where none does, nobody has swallowed anything. */
  #connectionGone(): void {
    if (this.#guard.isRunning) this.#guard.doomBy(this.#parts.lost());
    else this.#guard.doomWith(this.#parts.lost());
  }

  /** What went wrong with a statement of our own: the server's word, or that it could not be heard any more. */
  #told(thrown: unknown): Error {
    const error = asError(thrown);
    if (isPosthornError(error)) return error;
    if (!isServerError(error)) return this.#parts.lost(error);
    switch (errorNumber(error)) {
      case NO_SUCH_TABLE:
        return new ResourceTablesMissing(this.resource.name, undefined, { cause: error });
      case TABLE_ACCESS_DENIED: {
        const { account } = this.#connection.name;
        const grant = `GRANT SELECT, INSERT, UPDATE, DELETE ON ${this.#parts.tables.marker} TO ${quoteAccount(account)};`;
        return markerForbidden(this.resource.name, account, grant, error);
      }
      default:
        return error;
    }
  }

  #say(what: string, sql: string): Promise<unknown> {
    return this.#ask(what, this.#connection.ask(sql));
  }

  #ask<Result>(what: string, answer: Promise<Result>): Promise<Result> {
    return this.#parts.watch.guard({ connection: this.#connection, what, timeoutMs: REQUEST_TIMEOUT_MS }, answer);
  }

  #expect(state: 'ended' | 'prepared'): void {
    invariant(this.#state === state, `a branch is ${state} before this step; this one is ${this.#state}`);
  }

  /**
   * Nobody knows what the server has done. Its session may still hold the marker's lock, and would for as long as it may lie
   * idle: whatever became of the commit, the fence can tell once it is gone. That needs not be waited for here.
   */
  #giveUp(): void {
    this.#over('discard');
    void this.#parts.endSession(this.session);
  }

  #over(what: 'release' | 'discard'): void {
    this.#state = 'over';
    this.#guard.over();
    this.#forgetGone();
    if (what === 'release') this.#parts.release(this.#connection, { isClean: !this.#statements.changesSession });
    else this.#parts.discard(this.#connection);
  }
}

export interface BranchParts {
  readonly id: BranchId;
  readonly resource: ResourceManager;
  readonly connection: MysqlConnection;
  readonly watch: SessionWatch;
  readonly tables: MysqlTables;
  readonly statementTimeoutMs: number;
  readonly statementErrors: StatementErrors;
  /** Back into the pool; `isClean`: its session is as it was. */
  release(connection: MysqlConnection, state: { readonly isClean: boolean }): void;
  discard(connection: MysqlConnection): void;
  /** Makes the server end the session; within seconds, and it never rejects. */
  endSession(session: string): Promise<void>;
  /** What to tell of a connection that broke. */
  lost(cause?: Error): Error;
}

const REQUEST_TIMEOUT_MS = 30_000;
