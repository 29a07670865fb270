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
import { ConnectionPool } from '../shared/connection-pool.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import { SpareConnection } from '../shared/spare-connection.ts';
import { leavesSession } from './answers.ts';
import { beginBranch } from './begin-branch.ts';
import { lookAtSession } from './look-at-session.ts';
import { openPostgres, type PostgresConnection, shownTarget } from './postgres-connection.ts';
import type { PostgresSettings } from './postgres-options.ts';
import { PostgresRecovery } from './postgres-recovery.ts';
import { PostgresSetup } from './postgres-setup.ts';
import { PostgresTables } from './postgres-tables.ts';

/**
 * A PostgreSQL database as the coordinator uses it: branches on a pool; recovery, and the looks at sessions that do not
 * answer, each on a connection of its own, so that neither waits for the other or for the pool (R6).
 */
export class PostgresManager implements ResourceManager {
  readonly kind = 'postgres';
  readonly name: string;
  readonly target: ResourceTarget;
  readonly poolSize: number | undefined;
  readonly recovery: ResourceRecovery;
  readonly setup: ResourceSetup;
  readonly #settings: PostgresSettings;
  readonly #tables = new PostgresTables();
  readonly #pool: ConnectionPool<PostgresConnection>;
  readonly #recoveryConnection: SpareConnection<PostgresConnection>;
  readonly #lookingConnection: SpareConnection<PostgresConnection>;
  readonly #watch: SessionWatch;

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.name = settings.name;
    this.target = settings.target;
    this.poolSize = settings.poolSize;
    this.#pool = poolOf(settings);
    this.#recoveryConnection = spareOf(settings);
    this.#lookingConnection = spareOf(settings);
    this.#watch = this.#watchOf();
    this.recovery = new PostgresRecovery(this.#recoveryConnection, this.#tables);
    const spare = this.#recoveryConnection;
    this.setup = new PostgresSetup({ settings, spare, tables: this.#tables });
  }

  sizePool(branchCount: number): void {
    if (this.#settings.poolSize === undefined) this.#pool.resize(branchCount);
  }

  begin(request: BranchRequest): Promise<Branch> {
    return beginBranch(request, {
      resource: this,
      settings: this.#settings,
      tables: this.#tables,
      pool: this.#pool,
      watch: this.#watch,
      endSession: async (session) => void (await this.recovery.endSession(session)),
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await Promise.all([this.#recoveryConnection.close(), this.#lookingConnection.close()]);
  }

  cut(): void {
    this.#pool.cut();
    this.#recoveryConnection.cut();
    this.#lookingConnection.cut();
  }

  #watchOf(): SessionWatch {
    const { clock, timers } = nodeIo();
    return new SessionWatch({
      resource: this.name,
      clock,
      timers,
      lookAfterMs: LOOK_AFTER_MS,
      look: (session) =>
        this.#lookingConnection.use({
          what: 'look at a session',
          timeoutMs: LOOK_MS,
          run: (connection) => lookAtSession(connection, session),
        }),
    });
  }
}

/** Until the first endpoint says how many it needs. */
const POOL_SIZE = 10;
const IDLE_MS = 30_000;
const SPARE_IDLE_MS = 10_000;
/** Requests of recovery are short; a lock that is held is no answer, and asked for again. */
const RECOVERY_STATEMENT_MS = 5000;
const RECOVERY_LOCK_MS = 2000;
const LOOK_AFTER_MS = 3000;
const LOOK_MS = 4000;

function poolOf(settings: PostgresSettings): ConnectionPool<PostgresConnection> {
  const where = shownTarget(settings.target);
  return new ConnectionPool({
    connectionCountMax: settings.poolSize ?? POOL_SIZE,
    idleMsMax: IDLE_MS,
    timers: nodeIo().timers,
    open: () => openPostgres({ settings, statementTimeoutMs: settings.statementTimeoutMs }),
    busy: (count) => new ResourceUnavailable(settings.name, where, `no connection of ${count} came free`),
  });
}

function spareOf(settings: PostgresSettings): SpareConnection<PostgresConnection> {
  return new SpareConnection({
    idleMsMax: SPARE_IDLE_MS,
    timers: nodeIo().timers,
    open: () => openForRecovery(settings),
    breaksConnection: (error) => !leavesSession(error),
    tooLate: (what, timeoutMs) => new RequestTimedOut(settings.name, what, timeoutMs, 'recovery gave it up'),
  });
}

async function openForRecovery(settings: PostgresSettings): Promise<PostgresConnection> {
  const connection = await openPostgres({
    settings,
    statementTimeoutMs: RECOVERY_STATEMENT_MS,
    lockTimeoutMs: RECOVERY_LOCK_MS,
  });
  // Whatever the database's default: rows that others have committed are to be seen at once.
  await connection.run(`set default_transaction_isolation = 'read committed'`);
  return connection;
}
