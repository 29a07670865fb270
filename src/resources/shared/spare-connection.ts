import type { Timer, Timers } from '../../io/io.ts';
import { runOutsideTransactions } from '../../transactions/ambient-transaction.ts';
import { unlessAborted } from '../../transactions/unless-aborted.ts';
import { within } from './deadline.ts';
import type { PoolConnection } from './pool-connection.ts';

/**
 * A connection outside of the pool, for recovery and for the second look at silent sessions (R6): opened when it is needed,
 * used by one request at a time, closed after `idleMsMax` without any.
 *
 * A request that fails by the connection, or is not done in its time, cuts it; the next request opens another. When none
 * can be had, those that wait behind it are refused too: they would only find out the same, one after the other.
 */
export class SpareConnection<C extends PoolConnection> {
  readonly #options: SpareConnectionOptions<C>;
  #connection: C | undefined;
  #expiry: Timer | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** Aborted with the reason why those who wait by then are refused. */
  #refusing = new AbortController();

  constructor(options: SpareConnectionOptions<C>) {
    this.#options = options;
  }

  /**
   * Runs `request` when those before it are done. `timeoutMs` counts from then, a new connection included.
   *
   * @throws what `open` or `request` threw; `tooLate` when the time was up
   */
  use<Result>(request: SpareRequest<C, Result>): Promise<Result> {
    const { signal } = this.#refusing;
    const turn = this.#tail.then(() => this.#run(request, signal));
    // Whoever comes next goes on whatever became of this one; its own caller hears of it.
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Requests from now on have another connection. For contact after trouble: one that lay idle may be dead without a sign, as
   * when its server moved to another address, and would be found out by a deadline only.
   */
  renew(): void {
    this.#tail = this.#tail.then(() => void this.#drop()?.close());
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#drop()?.close();
  }

  /** Ends the connection; who uses it or waits for it is refused at once. */
  cut(): void {
    this.#refuseWaiting(this.#options.tooLate('what was asked last', 0));
    this.#drop()?.destroy();
  }

  #refuseWaiting(reason: unknown): void {
    this.#refusing.abort(reason);
    this.#refusing = new AbortController();
  }

  async #run<Result>({ what, timeoutMs, run }: SpareRequest<C, Result>, signal: AbortSignal): Promise<Result> {
    const { timers, tooLate, breaksConnection } = this.#options;
    signal.throwIfAborted();
    const turn = { isOver: false, hasConnection: false };
    const work = async (): Promise<Result> => run(await this.#open(turn));
    this.#expiry?.cancel();
    try {
      return await within(unlessAborted(work(), signal), {
        timers,
        timeoutMs,
        tooLate: () => tooLate(what, timeoutMs),
      });
    } catch (error) {
      turn.isOver = true;
      if (breaksConnection(error)) this.#drop()?.destroy();
      if (!turn.hasConnection) this.#refuseWaiting(error);
      throw error;
    } finally {
      this.#rest();
    }
  }

  /** @throws when the request's time was up before the connection was there; it is closed then */
  async #open(turn: Turn): Promise<C> {
    let connection = this.#connection;
    if (connection?.isUsable !== true) {
      connection = await runOutsideTransactions(() => this.#options.open());
      if (turn.isOver) {
        void connection.close();
        throw this.#options.tooLate('a connection', 0);
      }
      this.#keep(connection);
    }
    turn.hasConnection = true;
    connection.ref();
    return connection;
  }

  #keep(connection: C): void {
    this.#connection = connection;
    connection.onGone(() => {
      if (this.#connection === connection) this.#drop();
    });
  }

  #rest(): void {
    this.#connection?.unref();
    this.#expiry = this.#options.timers.after(this.#options.idleMsMax, () => void this.#drop()?.close());
  }

  #drop(): C | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#expiry?.cancel();
    return connection;
  }
}

interface Turn {
  readonly isOver: boolean;
  hasConnection: boolean;
}

export interface SpareConnectionOptions<C> {
  readonly idleMsMax: number;
  readonly timers: Timers;
  open(): Promise<C>;
  /** False only for the server's own answer to one request, after which the connection is as good as before. */
  breaksConnection(error: unknown): boolean;
  tooLate(what: string, timeoutMs: number): Error;
}

export interface SpareRequest<C, Result> {
  /** For people: 'scan'. */
  readonly what: string;
  readonly timeoutMs: number;
  run(connection: C): Promise<Result>;
}
