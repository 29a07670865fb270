import { nodeIo } from '../../io/node-io.ts';
import type { BranchRequest } from '../../transactions/resource-manager.ts';
import type { ConnectionPool } from '../shared/connection-pool.ts';
import type { SessionWatch } from '../shared/session-watch.ts';
import { FORGOTTEN_STATEMENT, sqlState } from './answers.ts';
import type { PostgresConnection } from './postgres-connection.ts';

/**
 * The connection of one branch, from its acquisition until it is given back or cut; until BEGIN is answered another one may
 * take its place.
 *
 * A connection that was used before may have died since, and whoever writes to it is told late. Where BEGIN is lost that way,
 * the idle ones, which died with it, are closed, and the branch goes on with a new one. Once: what breaks then is told. A
 * branch that is over meanwhile goes on with none.
 */
export class BranchConnection {
  readonly #request: ConnectionRequest;
  readonly #doors: ConnectionDoors;
  #current: PostgresConnection;
  #mayBeDead: boolean;
  #mayHaveForgotten = true;
  #isOver = false;
  #tagListener: ((tag: string) => void) | undefined;
  readonly #replacedListeners: (() => void)[] = [];

  private constructor(request: ConnectionRequest, doors: ConnectionDoors, taken: Taken) {
    this.#request = request;
    this.#doors = doors;
    this.#current = taken.connection;
    this.#mayBeDead = taken.wasUsed;
  }

  /** @throws {PosthornError} RESOURCE_UNAVAILABLE none came free in time, or what opening a new one met */
  static async take(request: ConnectionRequest, doors: ConnectionDoors): Promise<BranchConnection> {
    return new BranchConnection(request, doors, await take(request, doors));
  }

  get current(): PostgresConnection {
    return this.#current;
  }

  /**
   * It is gone, or the server has not answered on it for so long that its first request should be one that costs nobody
   * anything.
   */
  get isStale(): boolean {
    if (!this.#current.isUsable) return true;
    return this.#mayBeDead && nodeIo().clock.monotonicNowMs() - this.#current.heardMs > FRESH_MS;
  }

  /**
   * BEGIN was refused or lost. True when it is worth another try: the session had forgotten the statements that it kept, or the
   * connection was dead, and another one is there now.
   *
   * @throws what opening another one met
   */
  async canTryAgain(error: unknown): Promise<boolean> {
    if (sqlState(error) === FORGOTTEN_STATEMENT && this.#mayHaveForgotten) {
      this.#mayHaveForgotten = false;
      return true;
    }
    if (!this.#mayBeDead || sqlState(error) !== undefined || this.#isOver) return false;
    this.#mayBeDead = false;
    const { pool } = this.#doors;
    pool.discard(this.#current);
    await pool.closeIdle();
    const { connection } = await take(this.#request, this.#doors);
    if (this.#isOver) {
      pool.release(connection);
      return false;
    }
    this.#current = connection;
    connection.onTag = this.#tagListener;
    for (const listener of this.#replacedListeners) listener();
    return true;
  }

  /** Calls `listener` when another one has taken the place of `current`. */
  onReplaced(listener: () => void): void {
    this.#replacedListeners.push(listener);
  }

  /** Nothing of the branch is on it any more. */
  release(): void {
    this.#isOver = true;
    this.#doors.pool.release(this.#current);
  }

  /** There is doubt about it. */
  discard(): void {
    this.#isOver = true;
    this.#doors.pool.discard(this.#current);
  }

  /** Hears the tags of statements that are not our own, on whichever connection it is by then. */
  onTag(listener: ((tag: string) => void) | undefined): void {
    this.#tagListener = listener;
    this.#current.onTag = listener;
  }
}

export interface ConnectionDoors {
  readonly pool: ConnectionPool<PostgresConnection>;
  readonly watch: SessionWatch;
}

export type ConnectionRequest = Pick<BranchRequest, 'signal' | 'idleMsMax'>;

export const BEGIN_MS = 5000;
/** How long to wait for one of the pool: endpoints with more branches than that are refused before. */
const WAIT_MS = 30_000;
/** An answer that young says that the connection is there. */
const FRESH_MS = 1000;
/** So much longer than the transaction's own limit the server waits for a statement of ours. */
const IDLE_MARGIN_MS = 30_000;

interface Taken {
  readonly connection: PostgresConnection;
  readonly wasUsed: boolean;
}

async function take(request: ConnectionRequest, { pool, watch }: ConnectionDoors): Promise<Taken> {
  for (;;) {
    const connection = await pool.acquire({ timeoutMs: WAIT_MS, signal: request.signal });
    const { wasUsed } = connection;
    connection.wasUsed = true;
    if (connection.idleMsMax === request.idleMsMax) return { connection, wasUsed };
    try {
      await limitIdleTime(connection, request.idleMsMax, watch);
      return { connection, wasUsed: false };
    } catch (error) {
      pool.discard(connection);
      if (!wasUsed || sqlState(error) !== undefined) throw error;
      await pool.closeIdle();
    }
  }
}

async function limitIdleTime(connection: PostgresConnection, idleMsMax: number, watch: SessionWatch): Promise<void> {
  const timeoutMs = Math.min(Math.round(idleMsMax) + IDLE_MARGIN_MS, 2 ** 31 - 1);
  const answer = connection.run(`set idle_in_transaction_session_timeout = ${timeoutMs}`);
  await watch.guard({ connection, what: 'set', timeoutMs: BEGIN_MS }, answer);
  connection.idleMsMax = idleMsMax;
}
