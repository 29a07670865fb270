import { Duplex } from 'node:stream';
import type { Connection as DriverConnection, QueryError, QueryOptions } from 'mysql2';
import type { Timers } from '../../io/io.ts';
import type { NamedSocket } from '../../io/named-socket.ts';
import { RequestTimedOut } from '../../transactions/errors.ts';
import type { IsolationLevel } from '../../transactions/resource-manager.ts';
import { within } from '../shared/deadline.ts';
import type { PoolConnection } from '../shared/pool-connection.ts';
import type { ServerVersion } from './server-version.ts';
import { formatSessionName, type SessionName } from './session-name.ts';

/**
 * One session of a server, on the driver's connection with callbacks. `open-connection.ts` makes them.
 *
 * The driver runs one command after another. Cutting the socket with an error makes every command that waits fail with that
 * very error.
 */
export class MysqlConnection implements PoolConnection {
  readonly driver: DriverConnection;
  readonly name: SessionName;
  /** `name` as records keep it. */
  readonly session: string;
  readonly version: ServerVersion;
  /** What the counters of writes showed when nothing has been asked since that could change them. */
  writeCounters: string | undefined;
  readonly #socket: NamedSocket;
  readonly #parts: ConnectionParts;
  #settings: SessionSettings | undefined;
  #isUsable = true;
  readonly #goneListeners = new Set<() => void>();

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#socket = parts.socket;
    this.driver = parts.driver;
    this.name = parts.name;
    this.session = formatSessionName(parts.name);
    this.version = parts.version;
    // The driver tells errors that no command waits for as events; one that nobody hears would end the process.
    this.driver.on('error', () => this.#gone());
    this.#socket.once('close', () => this.#gone());
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get bytesUnsent(): number {
    // The driver puts its TLS socket there when it has one.
    const stream: unknown = 'stream' in this.driver ? this.driver.stream : undefined;
    return stream instanceof Duplex ? stream.writableLength : this.#socket.writableLength;
  }

  /**
   * Sends one statement of our own.
   *
   * @throws what the server answered; the error of the connection when it broke
   */
  ask(sql: string, values?: readonly unknown[]): Promise<Answer> {
    return this.#answerTo((done) => this.driver.query({ ...OWN_OPTIONS, sql, values: [...(values ?? [])] }, done));
  }

  /** Makes the session what a branch wants of it; most of the time it is so already, and nothing is sent. */
  async configure(wanted: SessionSettings): Promise<void> {
    if (this.#settings?.idleSecondsMax !== wanted.idleSecondsMax) {
      const variable = this.version.flavor === 'mariadb' ? 'idle_transaction_timeout' : 'wait_timeout';
      await this.ask(`set session ${variable} = ${wanted.idleSecondsMax}`);
    }
    if (this.#settings?.isolationLevel !== wanted.isolationLevel) {
      await this.ask(`set session transaction isolation level ${wanted.isolationLevel}`);
    }
    this.#settings = wanted;
  }

  /** Forgets variables, temporary tables, locks by name and prepared statements. */
  async reset(): Promise<void> {
    this.#settings = undefined;
    this.writeCounters = undefined;
    await this.#answerTo((done) => resettable(this.driver).reset(done));
  }

  /** Returns what ends it: a connection outlives thousands of branches, which must not leave their listeners on it. */
  onGone(listener: () => void): () => void {
    if (this.#isUsable) this.#goneListeners.add(listener);
    else listener();
    return () => this.#goneListeners.delete(listener);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  async close(): Promise<void> {
    if (!this.#isUsable) return this.destroy();
    this.#gone();
    const { timers, resource } = this.#parts;
    const tooLate = (): Error => new RequestTimedOut(resource, 'goodbye', GOODBYE_TIMEOUT_MS, 'it said nothing');
    const goodbye = new Promise<void>((resolve) => this.driver.end(() => resolve()));
    // Whether the server heard it makes no difference: the socket goes either way.
    await within(goodbye, { timers, timeoutMs: GOODBYE_TIMEOUT_MS, tooLate }).catch(() => undefined);
    this.#socket.destroy();
  }

  /** With a reason, every statement that waits fails with it. */
  destroy(reason?: Error): void {
    this.#gone();
    this.#socket.destroy(reason);
  }

  #answerTo(send: (done: Done) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      send((error, result) => {
        if (error === null || error === undefined) resolve(result as Answer);
        else reject(error);
      });
    });
  }

  #gone(): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    for (const listener of this.#goneListeners) listener();
    this.#goneListeners.clear();
  }
}

export interface ConnectionParts {
  readonly resource: string;
  readonly driver: DriverConnection;
  readonly socket: NamedSocket;
  readonly name: SessionName;
  readonly version: ServerVersion;
  readonly timers: Timers;
}

export interface SessionSettings {
  readonly isolationLevel: IsolationLevel;
  /** How long it may lie idle in a transaction before the server ends it. */
  readonly idleSecondsMax: number;
}

/** Rows, or what the server says of a statement without any. */
export type Answer = readonly Row[] & { readonly affectedRows?: number };
export type Row = Readonly<Record<string, unknown>>;

type Done = (error: QueryError | null, result?: unknown) => void;

const GOODBYE_TIMEOUT_MS = 1000;

/** Raw bytes of XA RECOVER's only column that is not a number: foreign branches may hold anything. */
const OWN_OPTIONS: Omit<QueryOptions, 'sql'> = {
  typeCast: (field, next) => (field.name === 'data' ? field.buffer() : next()),
};

/** The driver's types leave `reset` to its promise connection; both have it. */
function resettable(driver: DriverConnection): { reset(done: Done): void } {
  return driver as unknown as { reset(done: Done): void };
}
