import { asError } from '../../transactions/as-error.ts';
import type { BranchConnection } from './branch-connection.ts';
import type { DriverQuery, OwnStatement } from './round-trip.ts';

/**
 * Begins the transaction of a branch: with its first statement in one round trip, or by itself.
 *
 *     closed ──a statement with parameters, sent along──▶ opening ──BEGIN answered──▶ open
 *        └──────────any other: BEGIN first─────────────────▲  │└──refused, lost──▶ failed
 *                                                           └──┘ the connection was dead before: once more, on another
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
  #opening: Promise<void> | undefined;

  constructor(connection: BranchConnection, options: OpeningOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Sends `query` behind BEGIN; only while it is closed. The query hears of its own end itself. */
  openWith(query: DriverQuery): void {
    this.#opening = this.#open(query);
    // Who waits for it hears of it, and the query in any case.
    this.#opening.catch((error: unknown) => query.handleError(asError(error), undefined));
  }

  /** @throws what the server said to BEGIN, or the connection */
  whenOpen(): Promise<void> {
    this.#opening ??= this.#open(undefined);
    return this.#opening;
  }

  async #open(query: DriverQuery | undefined): Promise<void> {
    this.#state = 'opening';
    try {
      await this.#begin(query);
      this.#state = 'open';
    } catch (error) {
      this.#state = 'failed';
      this.#options.failed(asError(error));
      throw error;
    }
  }

  async #begin(query: DriverQuery | undefined): Promise<void> {
    try {
      await this.#send(query);
    } catch (error) {
      if (!(await this.#connection.replace(error))) throw error;
      await this.#send(query);
    }
  }

  #send(query: DriverQuery | undefined): Promise<unknown> {
    const { statements, within } = this.#options;
    const answer = this.#connection.current.together(statements, query);
    return query === undefined ? within(answer) : answer;
  }
}

export interface OpeningOptions {
  /** BEGIN, and what is set with it. */
  readonly statements: readonly OwnStatement[];
  /** Gives an answer its deadline, where no statement has one. */
  within<Result>(answer: Promise<Result>): Promise<Result>;
  /** Before anybody who waits hears of it. */
  failed(error: Error): void;
}
