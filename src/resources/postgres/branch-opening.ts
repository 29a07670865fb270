import { asError } from '../../transactions/as-error.ts';
import { FORGOTTEN_STATEMENT, sqlState } from './answers.ts';
import type { BranchConnection } from './branch-connection.ts';
import type { DriverQuery, OwnStatement } from './round-trip.ts';

/**
 * Begins the transaction of a branch: with its first statement in one round trip, or by itself.
 *
 *     closed ──a statement with parameters, sent along──▶ opening ──BEGIN answered──▶ open
 *        └──any other, or a stale connection: BEGIN first──▲  │└──refused, lost──▶ failed
 *                                                           └──┘ once more, where nothing can have come of it
 *
 * Invariants
 * - Nothing more is sent while it is `opening`, nor after it has `failed`: a statement that runs where no transaction was begun
 *   would commit by itself.
 * - A branch that ends while it is `closed` has asked the server for nothing.
 */
export class BranchOpening {
  readonly #connection: BranchConnection;
  readonly #options: OpeningOptions;
  #state: 'closed' | 'opening' | 'open' | 'failed' = 'closed';
  /** In the order in which they were asked. */
  readonly #waiting: Waiting[] = [];

  constructor(connection: BranchConnection, options: OpeningOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** BEGIN may bring a statement along: that is decided when the statement is sent, and not when the branch was taken. */
  get takesAlong(): boolean {
    return this.isClosed && !this.#connection.isStale;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Sends `query` behind BEGIN; only while it `takesAlong`. The query hears of its own end itself. */
  openWith(query: DriverQuery): void {
    this.#waiting.push({ send: () => undefined, refuse: (error) => query.handleError(error, undefined) });
    void this.#open(query);
  }

  /** Calls `send` when it is open, in the order in which this was asked; or `refuse` with what was said to BEGIN. */
  whenOpen(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#state === 'closed') void this.#open(undefined);
  }

  async #open(query: DriverQuery | undefined): Promise<void> {
    this.#state = 'opening';
    try {
      await this.#begin(query);
    } catch (thrown) {
      const error = asError(thrown);
      this.#state = 'failed';
      this.#options.failed(error);
      for (const { refuse } of this.#waiting.splice(0)) refuse(error);
      return;
    }
    // Before anybody else is: what waits was asked earlier.
    this.#state = 'open';
    for (const { send } of this.#waiting.splice(0)) send();
  }

  async #begin(query: DriverQuery | undefined): Promise<void> {
    try {
      await this.#send(query);
    } catch (error) {
      // What has arrived may run there still, and another try would wait for its locks.
      const mayHaveArrived = query !== undefined && !isProvenUnsent(error);
      if (mayHaveArrived || !(await this.#connection.canTryAgain(error))) throw error;
      await this.#send(query);
    }
  }

  #send(query: DriverQuery | undefined): Promise<unknown> {
    const { statements, within } = this.#options;
    const answer = this.#connection.current.together(statements, query);
    return query === undefined ? within(answer) : answer;
  }
}

/**
 * A write that failed has not sent all of it, and the server's side is gone as well: whatever it has begun it rolls back at
 * once. A session that had forgotten its statements has carried out none of those behind them.
 */
function isProvenUnsent(error: unknown): boolean {
  const isWrite = error instanceof Error && 'syscall' in error && error.syscall === 'write';
  return isWrite || sqlState(error) === FORGOTTEN_STATEMENT;
}

/** One of the two is called, once. */
export interface Waiting {
  send(): void;
  refuse(error: Error): void;
}

export interface OpeningOptions {
  /** BEGIN, and what is set with it. */
  readonly statements: readonly OwnStatement[];
  /** Gives an answer its deadline, where no statement has one. */
  within<Result>(answer: Promise<Result>): Promise<Result>;
  /** Before anybody who waits hears of it. */
  failed(error: Error): void;
}
