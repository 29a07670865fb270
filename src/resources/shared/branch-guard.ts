import { BranchDoomed, StatementRefused, StatementStillRunning, TransactionEnded } from '../../transactions/errors.ts';
import { shownStatement } from './shown-statement.ts';

/**
 * What may be asked on a branch's client, and what becomes of the branch by it (R4, R5).
 *
 *     working ──end──▶ ended          both: ──over──▶ over
 *
 * A branch is doomed by the first statement that is refused, by one that fails (unless its resource leaves that to the
 * server), and by anything that puts the connection in doubt. From then on nothing more is admitted, and `end` throws.
 */
export class BranchGuard {
  readonly #resource: string;
  readonly #statementErrors: StatementErrors;
  readonly #running = new Set<RunningStatement>();
  #state: 'working' | 'ended' | 'over' = 'working';
  #doom: Error | undefined;

  constructor(options: { readonly resource: string; readonly statementErrors: StatementErrors }) {
    this.#resource = options.resource;
    this.#statementErrors = options.statementErrors;
  }

  get isWorking(): boolean {
    return this.#state === 'working';
  }

  get isRunning(): boolean {
    return this.#running.size > 0;
  }

  get doom(): Error | undefined {
    return this.#doom;
  }

  /** Before a statement is sent. @throws TRANSACTION_ENDED, BRANCH_DOOMED or what doomed it */
  admit(): void {
    if (this.#state !== 'working') throw new TransactionEnded(this.#state);
    if (this.#doom !== undefined) throw this.#doom;
  }

  /** The statement is on its way; the caller says `done` once, however it ends. */
  started(text: string): RunningStatement {
    const statement: RunningStatement = {
      text,
      done: (error) => {
        if (!this.#running.delete(statement) || error === undefined) return;
        if (this.#statementErrors === 'rollback') this.doomBy(error);
      },
    };
    this.#running.add(statement);
    return statement;
  }

  /** A statement that would end the transaction, or step out of it, was not sent. Returns what to throw. */
  refuse(what: string): StatementRefused {
    const refusal = new StatementRefused(this.#resource, what);
    this.#doom ??= refusal;
    return refusal;
  }

  /** An error that the caller has told its own way; later ones are told BRANCH_DOOMED with it as the cause. */
  doomBy(error: Error): void {
    this.#doom ??= new BranchDoomed(this.#resource, error);
  }

  /** What dooms it whoever knows of it: it is thrown by `end` as it is. */
  doomWith(error: Error): void {
    this.#doom ??= error;
  }

  /** The handlers are done. @throws what doomed the branch, or STATEMENT_STILL_RUNNING */
  end(): void {
    if (this.#state !== 'working') throw new TransactionEnded(this.#state);
    this.#state = 'ended';
    const [running] = this.#running;
    if (running !== undefined) this.#doom ??= new StatementStillRunning(this.#resource, shownStatement(running.text));
    if (this.#doom !== undefined) throw this.#doom;
  }

  over(): void {
    this.#state = 'over';
  }
}

/** `rollback`: every statement that fails dooms the branch. `handled`: code deals with it, by savepoints say. */
export type StatementErrors = 'rollback' | 'handled';

export interface RunningStatement {
  readonly text: string;
  done(error?: Error): void;
}
