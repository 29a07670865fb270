import type { Timer, Timers } from '../../io/io.ts';
import { invariant } from '../../message/posthorn-error.ts';
import { runOutsideTransactions } from '../../transactions/ambient-transaction.ts';
import type { PoolConnection } from './pool-connection.ts';

/**
 * The connections on which a resource's branches run.
 *
 *     (none) ──open──▶ in use ──release──▶ idle ──acquire──▶ in use
 *                        │ └──discard, gone──▶ (none)
 *                        └──release after close──▶ (none)      idle too long, gone, close ──▶ (none)
 *
 * - At most `connectionCountMax` are open or being opened; who comes then waits in line, until a deadline or its signal.
 * - Idle ones do not keep the process alive, are closed after `idleMsMax`, and are taken last in, first out, so that the
 *   fewest stay open.
 * - Each is opened afresh by `open`, which resolves the server's name anew: nothing here remembers an address.
 * - `close` ends the idle ones and resolves when those in use are back (R7); what comes later opens new ones.
 */
export class ConnectionPool<C extends PoolConnection> {
  readonly #options: ConnectionPoolOptions<C>;
  readonly #idle: { readonly connection: C; readonly expiry: Timer }[] = [];
  readonly #inUse = new Set<C>();
  /** Of before the last `close`: they are closed when they come back. */
  readonly #leaving = new Set<C>();
  readonly #waiting: Waiting<C>[] = [];
  #openingCount = 0;
  #connectionCountMax: number;
  #whenLeft: (() => void)[] = [];

  constructor(options: ConnectionPoolOptions<C>) {
    this.#options = options;
    this.#connectionCountMax = options.connectionCountMax;
  }

  /** Takes effect for what is acquired from now on. */
  resize(connectionCountMax: number): void {
    this.#connectionCountMax = connectionCountMax;
    this.#serve();
  }

  /** @throws what `open` threw; `busy()` when none came free in time or the signal was aborted */
  async acquire(request: AcquireRequest): Promise<C> {
    const rested = this.#waiting.length > 0 ? undefined : this.#takeUsable();
    if (rested === undefined) return await this.#waitFor(request);
    this.#inUse.add(rested);
    return rested;
  }

  #waitFor(request: AcquireRequest): Promise<C> {
    const signal = request.signal?.();
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        const index = this.#waiting.indexOf(waiting);
        if (index < 0) return;
        this.#waiting.splice(index, 1);
        waiting.settle();
        reject(this.#options.busy(this.#connectionCountMax));
      };
      const deadline = this.#options.timers.after(request.timeoutMs, giveUp, { keepsProcessAlive: true });
      const settle = (): void => {
        deadline.cancel();
        signal?.removeEventListener('abort', giveUp);
      };
      const waiting: Waiting<C> = { resolve, reject, settle };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', giveUp, { once: true });
      if (signal?.aborted === true) giveUp();
      else this.#serve();
    });
  }

  /** The connection is as it was when it was acquired; somebody else may have it. */
  release(connection: C): void {
    if (!this.#inUse.delete(connection)) return;
    if (this.#leaving.delete(connection)) void connection.close().then(() => this.#left());
    else if (connection.isUsable) this.#rest(connection);
    this.#serve();
  }

  /** There is doubt about the connection: it is cut. */
  discard(connection: C): void {
    connection.destroy();
    this.#inUse.delete(connection);
    if (this.#leaving.delete(connection)) this.#left();
    this.#serve();
  }

  /** Closes the idle ones: the server was found to be somewhere else, say, or to have restarted. */
  async closeIdle(): Promise<void> {
    const resting = this.#idle.splice(0);
    await Promise.all(
      resting.map(({ connection, expiry }) => {
        expiry.cancel();
        return connection.close();
      }),
    );
  }

  async close(): Promise<void> {
    for (const connection of this.#inUse) this.#leaving.add(connection);
    const left = new Promise<void>((resolve) => {
      if (this.#leaving.size === 0) resolve();
      else this.#whenLeft.push(resolve);
    });
    await Promise.all([this.closeIdle(), left]);
  }

  /** Cuts all connections. Who waits for one is told that there is none. */
  cut(): void {
    for (const { connection, expiry } of this.#idle.splice(0)) {
      expiry.cancel();
      connection.destroy();
    }
    for (const waiting of this.#waiting.splice(0)) {
      waiting.settle();
      waiting.reject(this.#options.busy(this.#connectionCountMax));
    }
    for (const connection of [...this.#inUse]) this.discard(connection);
  }

  #rest(connection: C): void {
    connection.unref();
    const entry = {
      connection,
      expiry: this.#options.timers.after(this.#options.idleMsMax, () => this.#expire(connection)),
    };
    this.#idle.push(entry);
  }

  #expire(connection: C): void {
    if (this.#takeIdle((entry) => entry.connection === connection) !== undefined) void connection.close();
  }

  #takeIdle(isWanted: (entry: { readonly connection: C }) => boolean): C | undefined {
    const index = this.#idle.findLastIndex(isWanted);
    const [entry] = index < 0 ? [] : this.#idle.splice(index, 1);
    entry?.expiry.cancel();
    return entry?.connection;
  }

  #takeUsable(): C | undefined {
    const rested = this.#takeIdle(({ connection }) => connection.isUsable);
    rested?.ref();
    return rested;
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const rested = this.#takeUsable();
      if (rested !== undefined) this.#handOver(rested);
      else if (this.#inUse.size + this.#openingCount >= this.#connectionCountMax) return;
      else if (this.#openingCount >= this.#waiting.length) return;
      else void this.#open();
    }
  }

  async #open(): Promise<void> {
    this.#openingCount++;
    try {
      // Whoever happens to need it first is not whom its socket works for.
      const connection = await runOutsideTransactions(() => this.#options.open());
      this.#openingCount--;
      connection.onGone(() => this.#gone(connection));
      // Who wanted it may have given up meanwhile.
      if (this.#waiting.length > 0) this.#handOver(connection);
      else this.#rest(connection);
    } catch (error) {
      this.#openingCount--;
      const first = this.#waiting.shift();
      first?.settle();
      first?.reject(error);
    }
    this.#serve();
  }

  #handOver(connection: C): void {
    const first = this.#waiting.shift();
    invariant(first !== undefined, 'a connection is handed over only when somebody waits for it');
    this.#inUse.add(connection);
    first.settle();
    first.resolve(connection);
  }

  /** One in use stays counted until whoever has it gives it back. */
  #gone(connection: C): void {
    this.#takeIdle((entry) => entry.connection === connection);
  }

  #left(): void {
    if (this.#leaving.size > 0) return;
    for (const resolve of this.#whenLeft.splice(0)) resolve();
  }
}

export interface ConnectionPoolOptions<C> {
  readonly connectionCountMax: number;
  readonly idleMsMax: number;
  readonly timers: Timers;
  /** Opens a connection, login included, within a deadline of its own. */
  open(): Promise<C>;
  /** What to throw when nobody gave a connection back in time. */
  busy(connectionCountMax: number): Error;
}

export interface AcquireRequest {
  readonly timeoutMs: number;
  /** Asked for when there is something to wait for. */
  readonly signal?: (() => AbortSignal) | undefined;
}

interface Waiting<C> {
  resolve(connection: C): void;
  reject(error: unknown): void;
  settle(): void;
}
