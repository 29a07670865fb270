import { EventEmitter } from 'node:events';
import type { PoolConnection } from 'mysql2/promise';
import { asError } from '../../transactions/as-error.ts';
import type { BranchGuard } from '../shared/branch-guard.ts';
import type { BranchStatements, StartedStatement } from './branch-statements.ts';
import type { MysqlConnection } from './mysql-connection.ts';

/** What handlers get: a connection of `mysql2/promise`, enlisted in their transaction. */
export type MysqlClient = PoolConnection;

/**
 * The driver's connection with callbacks, as Kysely, Knex and streams want it. A list of what is allowed: everything that
 * could end the transaction or step out of it is not there, or does nothing.
 */
export class GuardedConnection extends EventEmitter {
  readonly #parts: GuardedParts;
  #client: GuardedClient | undefined;

  constructor(parts: GuardedParts) {
    super();
    this.#parts = parts;
  }

  get threadId(): number {
    return this.#parts.connection.name.id;
  }

  get state(): string {
    return this.#parts.guard.isWorking ? 'authenticated' : 'disconnected';
  }

  get config(): object {
    const { host, port, user, database } = this.#driver.config;
    return { host, port, user, database };
  }

  /** The same with promises. */
  promise(): GuardedClient {
    this.#client ??= new GuardedClient(this);
    return this.#client;
  }

  /** `(sql, values?, callback?)`; without a callback, an emitter of rows with `stream()`. */
  query(...given: readonly unknown[]): unknown {
    return this.#send('query', given);
  }

  execute(...given: readonly unknown[]): unknown {
    return this.#send('execute', given);
  }

  prepare(options: unknown, callback: Callback): unknown {
    const sql = textOf(options);
    const prepared: Callback = (error, statement) =>
      error ? callback(error) : callback(null, this.#guardStatement(sql, statement));
    return this.#send('prepare', [options, prepared]);
  }

  unprepare(options: unknown): unknown {
    return this.#parts.guard.isWorking ? this.#raw.unprepare(options) : undefined;
  }

  ping(callback: Callback = ignore): unknown {
    return this.#send('query', ['select 1', (error?: Error) => callback(error)]);
  }

  format(sql: string, values?: unknown): string {
    return this.#driver.format(sql, values);
  }

  escape(value: unknown): string {
    return this.#driver.escape(value);
  }

  escapeId(value: string): string {
    return this.#driver.escapeId(value);
  }

  beginTransaction(callback: Callback = ignore): void {
    this.#refuse('beginTransaction()', callback);
  }

  commit(callback: Callback = ignore): void {
    this.#refuse('commit()', callback);
  }

  rollback(callback: Callback = ignore): void {
    this.#refuse('rollback()', callback);
  }

  changeUser(_options: unknown, callback: Callback = ignore): void {
    this.#refuse('changeUser()', callback);
  }

  reset(callback: Callback = ignore): void {
    this.#refuse('reset()', callback);
  }

  /** It is connected; who asks is told so. */
  connect(callback: Callback = ignore): void {
    process.nextTick(callback, null);
  }

  /** Posthorn gives the connection back when the transaction ends: these four do nothing. */
  release(): void {}

  destroy(): void {}

  close(): void {}

  end(callback?: unknown): void {
    if (typeof callback === 'function') process.nextTick(callback as Callback, null);
  }

  get #driver() {
    return this.#parts.connection.driver;
  }

  /** The driver's methods take their arguments in several ways; they are handed on as they came. */
  get #raw(): RawDriver {
    return this.#driver as unknown as RawDriver;
  }

  #refuse(what: string, callback: Callback): void {
    process.nextTick(callback, this.#parts.guard.refuse(what));
  }

  /** What is sent is what was judged, with the values of now: the driver would read an array when its turn comes. */
  #send(method: SendMethod, [first, ...more]: readonly unknown[]): unknown {
    const given = [asAsked(first), ...more.map(copyOf)];
    const text = textOf(given[0]);
    const last = given.at(-1);
    const callback = typeof last === 'function' ? (last as Callback) : undefined;
    let statement: StartedStatement;
    try {
      // Nobody could watch it: its callback is its own.
      if (given[0] instanceof EventEmitter) throw this.#parts.guard.refuse('A command that was made beforehand');
      statement = this.#parts.statements.start(text);
    } catch (error) {
      if (callback === undefined || !(error instanceof Error)) throw error;
      process.nextTick(callback, error);
      return undefined;
    }
    try {
      if (callback === undefined) return this.#stream(statement, this.#raw[method](...given));
      const told = tellOnce(statement, callback);
      return this.#raw[method](...given.slice(0, -1), told);
    } catch (error) {
      // The driver refused the arguments: nothing was sent.
      statement.failed(asError(error));
      throw error;
    }
  }

  /** A result that is taken row by row: it runs until its end, or its error. */
  #stream(statement: StartedStatement, command: EventEmitter): EventEmitter {
    let isOver = false;
    let forgetGone: () => void = ignore;
    const over = (tell: () => void): void => {
      if (isOver) return;
      isOver = true;
      forgetGone();
      tell();
    };
    command.on('error', (error: Error) => over(() => statement.failed(error)));
    command.once('end', () => over(() => statement.succeeded(undefined)));
    // The driver tells the loss of a connection to commands with a callback only.
    forgetGone = this.#parts.connection.onGone(() => {
      if (!isOver) command.emit('error', this.#parts.lost());
    });
    return command;
  }

  #guardStatement(sql: string, statement: unknown): GuardedStatement {
    const raw = statement as RawStatement;
    return {
      execute: (...given) => {
        const callback = given.at(-1) as Callback;
        let started: StartedStatement;
        try {
          started = this.#parts.statements.start(sql);
        } catch (error) {
          process.nextTick(callback, error as Error);
          return;
        }
        raw.execute(...given.slice(0, -1).map(copyOf), tellOnce(started, callback));
      },
      close: () => raw.close(),
    };
  }
}

/** The same with promises: what `context.resource(…)` hands out. */
export class GuardedClient extends EventEmitter {
  /** With callbacks. */
  readonly connection: GuardedConnection;

  constructor(connection: GuardedConnection) {
    super();
    this.connection = connection;
  }

  get threadId(): number {
    return this.connection.threadId;
  }

  get state(): string {
    return this.connection.state;
  }

  get config(): object {
    return this.connection.config;
  }

  query(sql: unknown, values?: unknown): Promise<unknown> {
    return this.#ask((done) => this.connection.query(sql, ...(values === undefined ? [] : [values]), done));
  }

  execute(sql: unknown, values?: unknown): Promise<unknown> {
    return this.#ask((done) => this.connection.execute(sql, ...(values === undefined ? [] : [values]), done));
  }

  async prepare(options: unknown): Promise<unknown> {
    const [statement] = await this.#ask((done) => this.connection.prepare(options, done));
    const guarded = statement as GuardedStatement;
    return {
      execute: (values: unknown) => this.#ask((done) => guarded.execute(values ?? [], done)),
      close: async () => guarded.close(),
    };
  }

  async ping(): Promise<void> {
    await this.#ask((done) => this.connection.ping(done));
  }

  async beginTransaction(): Promise<void> {
    await this.#ask((done) => this.connection.beginTransaction(done));
  }

  async commit(): Promise<void> {
    await this.#ask((done) => this.connection.commit(done));
  }

  async rollback(): Promise<void> {
    await this.#ask((done) => this.connection.rollback(done));
  }

  async changeUser(options: unknown): Promise<void> {
    await this.#ask((done) => this.connection.changeUser(options, done));
  }

  async reset(): Promise<void> {
    await this.#ask((done) => this.connection.reset(done));
  }

  async connect(): Promise<void> {}

  async end(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  release(): void {}

  destroy(): void {}

  unprepare(options: unknown): unknown {
    return this.connection.unprepare(options);
  }

  format(sql: string, values?: unknown): string {
    return this.connection.format(sql, values);
  }

  escape(value: unknown): string {
    return this.connection.escape(value);
  }

  escapeId(value: string): string {
    return this.connection.escapeId(value);
  }

  #ask(send: (done: Callback) => void): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      send((error, ...results) => (error === null || error === undefined ? resolve(results) : reject(error)));
    });
  }
}

export interface GuardedParts {
  readonly connection: MysqlConnection;
  readonly guard: BranchGuard;
  readonly statements: BranchStatements;
  /** What to tell of a connection that broke. */
  lost(): Error;
}

type Callback = (error: Error | null | undefined, ...results: unknown[]) => void;
type SendMethod = 'query' | 'execute' | 'prepare';

interface RawDriver extends Record<SendMethod, (...given: unknown[]) => EventEmitter> {
  unprepare(options: unknown): unknown;
}

interface RawStatement {
  execute(...given: unknown[]): unknown;
  close(): unknown;
}

interface GuardedStatement {
  execute(...given: unknown[]): void;
  close(): unknown;
}

function ignore(): void {}

/** Nobody's command is copied: it is refused. */
function asAsked(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || given instanceof EventEmitter) return given;
  const { sql, values } = given as { readonly sql?: unknown; readonly values?: unknown };
  return { ...given, sql, values: copyOf(values) };
}

function copyOf(values: unknown): unknown {
  return Array.isArray(values) ? [...values] : values;
}

/** The statement of a text or of `{ sql, … }`; for anything else the driver has an error of its own. */
function textOf(given: unknown): string {
  if (typeof given === 'string') return given;
  return typeof given === 'object' && given !== null && 'sql' in given ? String(given.sql) : '';
}

/** The driver may tell a command twice that its connection broke. */
function tellOnce(statement: StartedStatement, callback: Callback): Callback {
  let isTold = false;
  return (error, ...results) => {
    if (isTold) return;
    isTold = true;
    if (error === null || error === undefined) {
      statement.succeeded(results[0]);
      callback(null, ...results);
    } else callback(statement.failed(error));
  };
}
