import type { Io } from '../../io/io.ts';
import type { Names } from '../../io/network.ts';
import { nodeIo } from '../../io/node-io.ts';
import { RequestTimedOut, ResourceUnavailable } from '../../transactions/errors.ts';
import type {
  Branch,
  BranchRequest,
  ResourceManager,
  ResourceRecovery,
  ResourceSetup,
  ResourceTarget,
} from '../../transactions/resource-manager.ts';
import { connectionLost } from '../shared/connection-lost.ts';
import { ConnectionPool } from '../shared/connection-pool.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import { SpareConnection } from '../shared/spare-connection.ts';
import { DEADLOCK, describeAnswer, errorNumber, isServerError, LOCK_WAIT_TIMEOUT } from './answers.ts';
import { seeSession } from './end-session.ts';
import { MysqlBranch } from './mysql-branch.ts';
import type { MysqlConnection, SessionSettings } from './mysql-connection.ts';
import type { MysqlSettings } from './mysql-options.ts';
import { MysqlRecovery } from './mysql-recovery.ts';
import { MysqlSetup } from './mysql-setup.ts';
import { openConnection } from './open-connection.ts';
import { xidLiteral } from './xid.ts';

/**
 * MariaDB or MySQL as a resource manager: branches on a pool, and three spare connections (R6): one for recovery, one for
 * the second look at silent sessions, which must not wait for recovery, and one for setup.
 */
export class MysqlResourceManager implements ResourceManager {
  readonly name: string;
  readonly kind = 'mysql';
  readonly target: ResourceTarget;
  readonly poolSize: number | undefined;
  readonly recovery: ResourceRecovery;
  readonly setup: ResourceSetup;
  readonly #settings: MysqlSettings;
  readonly #io: Io;
  readonly #names: Names | undefined;
  readonly #pool: ConnectionPool<MysqlConnection>;
  readonly #spares: readonly SpareConnection<MysqlConnection>[];
  readonly #watch: SessionWatch;

  constructor(settings: MysqlSettings, doors: MysqlDoors = {}) {
    this.name = settings.name;
    this.target = settings.target;
    this.poolSize = settings.poolSize;
    this.#settings = settings;
    this.#io = doors.io ?? nodeIo();
    this.#names = doors.names;
    this.#pool = new ConnectionPool({
      connectionCountMax: settings.poolSize ?? POOL_SIZE_BEFORE_USE,
      idleMsMax: IDLE_MS_MAX,
      timers: this.#io.timers,
      open: () => this.#open(),
      busy: (count) => this.#unavailable(`all its ${count} connections were in use for ${ACQUIRE_TIMEOUT_MS} ms`),
    });
    const recoverySpare = this.#spare(askForRecovery);
    const watchSpare = this.#spare();
    const setupSpare = this.#spare();
    this.#spares = [recoverySpare, watchSpare, setupSpare];
    this.recovery = new MysqlRecovery({ spare: recoverySpare, timers: this.#io.timers, tables: settings.tableNames });
    const renew = (): void => void this.#spares.map((spare) => spare.renew());
    const setup = { resource: this, settings, io: this.#io, names: this.#names, spare: setupSpare, renew };
    this.setup = new MysqlSetup(setup);
    this.#watch = new SessionWatch({
      resource: this.name,
      timers: this.#io.timers,
      clock: this.#io.clock,
      lookAfterMs: LOOK_AFTER_MS,
      look: (session) =>
        watchSpare.use({
          what: 'look',
          timeoutMs: LOOK_TIMEOUT_MS,
          run: (connection) => seeSession(connection, session),
        }),
    });
  }

  sizePool(branchCount: number): void {
    if (this.poolSize === undefined) this.#pool.resize(branchCount);
  }

  async begin(request: BranchRequest): Promise<Branch> {
    const connection = await this.#begun(request);
    return new MysqlBranch({
      id: request.id,
      resource: this,
      connection,
      watch: this.#watch,
      tables: this.#settings.tableNames,
      statementTimeoutMs: this.#settings.statementTimeoutMs,
      statementErrors: this.#settings.statementErrors,
      release: (used, { isClean }) => this.#release(used, isClean),
      discard: (used) => this.#pool.discard(used),
      endSession: (session) => this.#endSession(session),
      lost: (cause) => connectionLost(this.name, this.#settings.where, cause),
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), ...this.#spares.map((spare) => spare.close())]);
  }

  cut(): void {
    this.#pool.cut();
    for (const spare of this.#spares) spare.cut();
  }

  /** A connection that lay idle may be dead: then the others are too, and a new one is tried, once. */
  async #begun(request: BranchRequest): Promise<MysqlConnection> {
    const first = await this.#beginOn(await this.#acquire(request), request);
    if (!('brokenBy' in first)) return first;
    await this.#pool.closeIdle();
    const second = await this.#beginOn(await this.#acquire(request), request);
    if (!('brokenBy' in second)) return second;
    throw this.#unavailable(connectionProblem(second.brokenBy), second.brokenBy);
  }

  #acquire({ signal }: BranchRequest): Promise<MysqlConnection> {
    return this.#pool.acquire({ timeoutMs: ACQUIRE_TIMEOUT_MS, signal });
  }

  async #beginOn(
    connection: MysqlConnection,
    request: BranchRequest,
  ): Promise<MysqlConnection | { readonly brokenBy: unknown }> {
    const settings: SessionSettings = {
      isolationLevel: request.isolationLevel,
      idleSecondsMax: Math.ceil(request.idleMsMax / 1000) + IDLE_MARGIN_SECONDS,
    };
    const begin = async (): Promise<void> => {
      await connection.configure(settings);
      await connection.ask(`xa start ${xidLiteral(request.id)}`);
    };
    try {
      await this.#watch.guard({ connection, what: 'begin', timeoutMs: BEGIN_TIMEOUT_MS }, begin());
      return connection;
    } catch (error) {
      this.#pool.discard(connection);
      if (isServerError(error)) throw this.#unavailable(describeAnswer(error), error);
      return { brokenBy: error };
    }
  }

  #release(connection: MysqlConnection, isClean: boolean): void {
    if (isClean) {
      this.#pool.release(connection);
      return;
    }
    const watched = { connection, what: 'reset', timeoutMs: BEGIN_TIMEOUT_MS };
    this.#watch.guard(watched, connection.reset()).then(
      () => this.#pool.release(connection),
      () => this.#pool.discard(connection),
    );
  }

  /** What comes of it is seen by whoever needs the locks; it must not hold up a rollback for long. */
  async #endSession(session: string): Promise<void> {
    await this.recovery.endSession(session);
  }

  #spare(ready?: (connection: MysqlConnection) => Promise<unknown>): SpareConnection<MysqlConnection> {
    return new SpareConnection({
      idleMsMax: IDLE_MS_MAX,
      timers: this.#io.timers,
      open: async () => {
        const connection = await this.#open();
        await ready?.(connection);
        return connection;
      },
      // A lock that was not granted says nothing against the connection; everything else might.
      breaksConnection: (error) => ![LOCK_WAIT_TIMEOUT, DEADLOCK].includes(errorNumber(error) ?? 0),
      tooLate: (what, timeoutMs) => new RequestTimedOut(this.name, what, timeoutMs, 'nothing came back'),
    });
  }

  #open(): Promise<MysqlConnection> {
    const { login, where } = this.#settings;
    return openConnection({ resource: this.name, where, login, io: this.#io, names: this.#names });
  }

  #unavailable(why: string, cause?: unknown): ResourceUnavailable {
    return new ResourceUnavailable(this.name, this.#settings.where, why, { cause });
  }
}

export interface MysqlDoors {
  readonly io?: Io;
  readonly names?: Names;
}

/** Until endpoints say how many branches they may have. */
const POOL_SIZE_BEFORE_USE = 10;
const IDLE_MS_MAX = 60_000;
const IDLE_MARGIN_SECONDS = 30;
const ACQUIRE_TIMEOUT_MS = 30_000;
const BEGIN_TIMEOUT_MS = 5000;
const LOOK_AFTER_MS = 3000;
const LOOK_TIMEOUT_MS = 5000;

/** Autocommit whatever the server's default is, and answers within seconds: a lock that is held means to ask again. */
async function askForRecovery(connection: MysqlConnection): Promise<void> {
  await connection.ask('set session autocommit = 1, innodb_lock_wait_timeout = 2');
  await connection.ask('set session transaction isolation level read committed');
}
