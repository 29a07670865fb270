import type { Client, ClientConfig, QueryResult, QueryResultRow } from 'pg';
import { NamedSocket } from '../../io/named-socket.ts';
import { nodeIo } from '../../io/node-io.ts';
import { ResourceUnavailable } from '../../transactions/errors.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { within } from '../shared/deadline.ts';
import { loadDriver } from '../shared/load-driver.ts';
import type { PoolConnection } from '../shared/pool-connection.ts';
import { FORGOTTEN_STATEMENT, sqlState } from './answers.ts';
import type { PostgresSettings } from './postgres-options.ts';
import {
  type DriverQuery,
  type OwnStatement,
  RoundTrip,
  type RoundTripAnswer,
  type RoundTripSession,
} from './round-trip.ts';
import { formatSession } from './session-name.ts';

/**
 * A connection to PostgreSQL: the driver's client on a socket that resolves its name afresh, logged in, with its session
 * named. What the server says in raw, command tags and the state of the transaction, is kept beside what the driver tells.
 */
export class PostgresConnection implements PoolConnection {
  readonly client: Client;
  readonly session: string;
  readonly server: ServerFacts;
  /**
   * `I` outside of any transaction, `T` in one, `E` in one that failed; as of the server's last word. It says so at the end of
   * each round trip, and who asked may hear before: so BEGIN, and an error, tell of it as well.
   */
  transactionStatus = 'I';
  /** Of the session, as last set; undefined: not known. */
  idleMsMax: number | undefined;
  /** Whether it was used before, so that it may have died in between. */
  wasUsed = false;
  /** The session reads backslashes in plain quotes as escapes now, so that its statements cannot be told apart by their text. */
  readsBackslashes = false;
  /** Hears the tag of every command that is not our own, until it is undefined again. */
  onTag: ((tag: string) => void) | undefined;
  /** When the server last answered, by the monotonic clock. */
  heardMs: number;
  #isUsable = true;
  /** So many of the next tags are those of our own statements. */
  #ownTags = 0;
  /** By text: what statements are called that the session keeps, or has kept. */
  readonly #names = new Map<string, string>();
  /** Names of those that it is known to keep. */
  readonly #kept = new Set<string>();
  readonly #goneListeners: (() => void)[] = [];

  constructor(client: Client, facts: ServerFacts) {
    this.client = client;
    this.server = facts;
    this.session = facts.session;
    this.heardMs = nodeIo().clock.monotonicNowMs();
    client.on('error', () => this.#gone());
    client.on('end', () => this.#gone());
    client.connection.on('commandComplete', ({ text }: { readonly text: string }) => this.#hearTag(text));
    client.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName === 'standard_conforming_strings') this.readsBackslashes = parameterValue !== 'on';
    });
    // Before the driver tells whoever asked.
    client.connection.prependListener('errorMessage', () => {
      if (this.transactionStatus === 'T') this.transactionStatus = 'E';
    });
    client.connection.on('readyForQuery', ({ status }: { readonly status: string }) => {
      this.transactionStatus = status;
      this.heardMs = nodeIo().clock.monotonicNowMs();
    });
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  get bytesRead(): number {
    const { stream } = this.client.connection;
    return 'bytesRead' in stream ? Number(stream.bytesRead) : 0;
  }

  get bytesUnsent(): number {
    return this.client.connection.stream.writableLength;
  }

  /** One simple query, also of several statements: the tags of all that were carried out, and all rows. */
  async run(sql: string): Promise<Answer> {
    const tags: string[] = [];
    const outer = this.onTag;
    this.onTag = (tag) => tags.push(tag);
    try {
      // The driver answers several statements by an array; its types do not say so.
      const answer: QueryResult | readonly QueryResult[] = await this.client.query(sql);
      const results = 'rows' in answer ? [answer] : answer;
      return { tags, rows: results.flatMap(({ rows }) => rows) };
    } finally {
      this.onTag = outer;
    }
  }

  /** Statements of ours in one round trip, and behind them `last` if there is one, which hears of its own end itself. */
  together(own: readonly OwnStatement[], last?: DriverQuery): Promise<RoundTripAnswer> {
    return new Promise((resolve, reject) => {
      const ownFailed = (error: Error): void => {
        if (sqlState(error) === FORGOTTEN_STATEMENT) this.#kept.clear();
        reject(error);
      };
      this.client.query(new RoundTrip(this.#roundTrips, own, { ownDone: resolve, ownFailed }, last));
    });
  }

  async rows<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return (await this.client.query<Row>(sql, [...values])).rows;
  }

  onGone(listener: () => void): void {
    if (this.#isUsable) this.#goneListeners.push(listener);
    else listener();
  }

  ref(): void {
    this.#socket()?.ref();
  }

  unref(): void {
    this.#socket()?.unref();
  }

  async close(): Promise<void> {
    if (!this.#isUsable) return;
    this.#gone();
    this.ref();
    const { stream } = this.client.connection;
    const deadline = nodeIo().timers.after(GOODBYE_MS, () => stream.destroy(), { keepsProcessAlive: true });
    await this.client.end();
    deadline.cancel();
  }

  /** What still runs fails with `reason`. */
  destroy(reason?: Error): void {
    this.#gone();
    this.client.connection.stream.destroy(reason);
  }

  readonly #roundTrips: RoundTripSession = {
    expectTags: (count) => {
      this.#ownTags = count;
    },
    nameOf: (text) => this.#nameOf(text),
    keeps: (name) => this.#kept.has(name),
    keep: (name) => this.#kept.add(name),
  };

  #hearTag(tag: string): void {
    if (tag === 'BEGIN') this.transactionStatus = 'T';
    if (this.#ownTags > 0) this.#ownTags--;
    else {
      if (FORGETTING.has(tag)) this.#kept.clear();
      this.onTag?.(tag);
    }
  }

  #nameOf(text: string): string {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const name = `posthorn_${this.#names.size + 1}`;
    this.#names.set(text, name);
    return name;
  }

  #socket(): { ref(): void; unref(): void } | undefined {
    const { stream } = this.client.connection;
    return 'ref' in stream && 'unref' in stream ? (stream as unknown as { ref(): void; unref(): void }) : undefined;
  }

  #gone(): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    for (const listener of this.#goneListeners.splice(0)) listener();
  }
}

/** Commands after which a session knows no statement any more that it kept. */
const FORGETTING: ReadonlySet<string> = new Set(['DEALLOCATE ALL', 'DISCARD ALL']);

/** The server tells of some settings whenever they change, by whatever means. */
interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

export interface Answer {
  readonly tags: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** What a session says of itself when it begins. */
export interface ServerFacts {
  readonly session: string;
  /** 150018 */
  readonly versionNumber: number;
  /** '15.18 (Debian …)' */
  readonly version: string;
}

export interface OpenOptions {
  readonly settings: PostgresSettings;
  readonly statementTimeoutMs: number;
  /** For connections of recovery, which never wait long for a lock. */
  readonly lockTimeoutMs?: number;
}

/**
 * Connects, logs in and names the session, within a deadline.
 *
 * @throws {PosthornError} RESOURCE_UNAVAILABLE, DRIVER_MISSING
 */
export async function openPostgres(options: OpenOptions): Promise<PostgresConnection> {
  const { name, target } = options.settings;
  const driver = await loadDriver({ resource: name, packageName: 'pg' }, () => import('pg'));
  const client = new driver.default.Client(clientConfig(options));
  // From the beginning: an error event that nobody hears would end the process.
  client.on('error', () => undefined);
  const where = shownTarget(target);
  const tooLate = (): Error => new ResourceUnavailable(name, where, `the login was not done within ${LOGIN_MS} ms`);
  try {
    await within(client.connect(), { timers: nodeIo().timers, timeoutMs: LOGIN_MS, tooLate });
    const facts = within(introduce(client), { timers: nodeIo().timers, timeoutMs: LOGIN_MS, tooLate });
    return new PostgresConnection(client, await facts);
  } catch (error) {
    client.connection.stream.destroy();
    if (error instanceof ResourceUnavailable) throw error;
    throw new ResourceUnavailable(name, where, connectionProblem(error), { cause: error });
  }
}

/** 'db.example:5432/orders' */
export function shownTarget({ host, port, database }: PostgresSettings['target']): string {
  return `${host.startsWith('/') ? `${host}/` : host}:${port}/${database}`;
}

const LOGIN_MS = 12_000;
const GOODBYE_MS = 2000;

function clientConfig({ settings, statementTimeoutMs, lockTimeoutMs }: OpenOptions): ClientConfig {
  return {
    ...settings.place,
    stream: () => new NamedSocket(settings.names === undefined ? {} : { names: settings.names }),
    application_name: `posthorn ${settings.name}`,
    statement_timeout: statementTimeoutMs,
    ...(lockTimeoutMs === undefined ? {} : { lock_timeout: lockTimeoutMs }),
  };
}

/**
 * A commit that the server forgets in a crash would be a lost order: durability is not left to the server's default. On
 * recovery's connections, where no handler sets anything, this holds for abort rows and for the ends of what is prepared. The
 * text of statements is split by the rules of the standard, so the server is to read it by these too.
 */
async function introduce(client: Client): Promise<ServerFacts> {
  await client.query(SESSION_SETTINGS);
  const { rows } = await client.query<FactsRow>(FACTS);
  const [row] = rows;
  return {
    session: formatSession({ pid: row?.pid ?? 0, startedMicroseconds: row?.started ?? '' }),
    versionNumber: row?.version_number ?? 0,
    version: row?.version ?? '',
  };
}

interface FactsRow {
  readonly pid: number;
  readonly started: string;
  readonly version_number: number;
  readonly version: string;
}

const SESSION_SETTINGS = `
  select pg_catalog.set_config('synchronous_commit', 'on', false)
   where pg_catalog.current_setting('synchronous_commit') in ('off', 'local');
  select pg_catalog.set_config('standard_conforming_strings', 'on', false)`;

const FACTS = `
  select activity.pid,
         (extract(epoch from activity.backend_start) * 1000000)::bigint::text as started,
         pg_catalog.current_setting('server_version_num')::int as version_number,
         pg_catalog.current_setting('server_version') as version
    from pg_catalog.pg_stat_activity as activity
   where activity.pid = pg_catalog.pg_backend_pid()`;
