import type { PoolClient, Submittable } from 'pg';
import { nodeIo } from '../../io/node-io.ts';
import { asError } from '../../transactions/as-error.ts';
import type { RunningStatement } from '../shared/branch-guard.ts';
import type { BranchConnection } from './branch-connection.ts';
import type { BranchOpening } from './branch-opening.ts';
import type { DriverQuery } from './round-trip.ts';

/**
 * The driver's client as handlers get it: what it is asked goes through `gate` first (R4, R5), and what it has besides
 * queries is what query builders use. It takes every form of `query` that the driver takes; `connect`, `release` and `end`
 * do nothing, as the connection belongs to the branch. The first query begins the transaction, or brings its begin along.
 *
 * What is sent is what was judged: what waits for BEGIN, or for its turn, is sent as it was when it was asked.
 */
export function guardClient(connection: BranchConnection, gate: StatementGate, opening: BranchOpening): PoolClient {
  const client = (): PoolClient => connection.current.client as PoolClient;
  const queries = new GuardedQueries(client, gate, opening);
  const listeners = new BorrowedListeners(client);
  gate.onOver(() => listeners.removeAll());
  connection.onReplaced(() => listeners.move());
  const guarded: PoolClient = new Proxy(client(), {
    get: (_, property) => {
      const target = client();
      if (property === 'query') return queries.query;
      if (property === 'connect') return connectNothing;
      if (property === 'getTransactionStatus') return () => statusOf(connection, opening);
      if (property === 'release' || property === 'end') return endNothing;
      if (property === 'ref' || property === 'unref') return () => undefined;
      if (typeof property === 'symbol' || property === 'constructor') return Reflect.get(target, property);
      if (LISTENING.has(property)) return listeners.method(property, () => guarded);
      if (!PASSED_ON.has(property)) return undefined;
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: () => true,
    defineProperty: () => false,
    deleteProperty: () => false,
    has: (target, property) => PASSED_ON.has(property) && Reflect.has(target, property),
    ownKeys: () => [],
    getOwnPropertyDescriptor: () => undefined,
  });
  const connectNothing = (callback?: (error: undefined, client: PoolClient, done: () => void) => void): unknown =>
    callback === undefined ? Promise.resolve(guarded) : callback(undefined, guarded, () => undefined);
  return guarded;
}

/** The driver's own is told later, and its oldest versions have none. Before BEGIN is answered there is a transaction as well. */
function statusOf({ current }: BranchConnection, { isOpen }: BranchOpening): string {
  return current.transactionStatus === 'I' && !isOpen ? 'T' : current.transactionStatus;
}

/** Who is asked before a statement is sent. */
export interface StatementGate {
  /** @throws why the statement is not sent */
  admit(text: string | undefined): RunningStatement;
  /** Of one that was admitted and cannot be sent all the same; the branch is doomed. Returns what to tell. */
  refuse(what: string): Error;
  /** Calls `listener` when the branch is over. */
  onOver(listener: () => void): void;
}

function endNothing(callback?: unknown): Promise<void> | undefined {
  if (typeof callback !== 'function') return Promise.resolve();
  callback();
  return undefined;
}

const LISTENING: ReadonlySet<string | symbol> = new Set([
  'on',
  'once',
  'addListener',
  'prependListener',
  'off',
  'removeListener',
]);
/** No password, no socket, no queue. */
const PASSED_ON: ReadonlySet<string | symbol> = new Set([
  'user',
  'database',
  'host',
  'port',
  'processID',
  'escapeIdentifier',
  'escapeLiteral',
  'getTypeParser',
  'getTransactionStatus',
  'listenerCount',
]);

/** Callbacks of `pg` and what is passed on to them. */
type Callback = (error: Error | undefined, result?: unknown) => void;

class GuardedQueries {
  readonly #client: () => PoolClient;
  readonly #gate: StatementGate;
  readonly #opening: BranchOpening;

  constructor(client: () => PoolClient, gate: StatementGate, opening: BranchOpening) {
    this.#client = client;
    this.#gate = gate;
    this.#opening = opening;
  }

  readonly query = (given: unknown, second?: unknown, third?: unknown): unknown => {
    const callback = callbackOf(given, second, third);
    const config = isSubmittable(given) ? given : asAsked(given);
    const values = typeof second === 'function' ? undefined : copyOf(second);
    let statement: RunningStatement;
    try {
      statement = this.#gate.admit(textOf(config));
    } catch (error) {
      return notSent(config, callback, error as Error);
    }
    try {
      if (isSubmittable(config)) return this.#submit(config, callback, statement);
      if (callback !== undefined) return this.#call(config, values, callback, statement);
      return this.#promise(config, values, statement);
    } catch (error) {
      // The driver refused the arguments: it throws TypeErrors on the spot.
      statement.done(error as Error);
      throw error;
    }
  };

  #promise(config: unknown, values: unknown, statement: RunningStatement): Promise<unknown> {
    const answer = this.#answer(config, values);
    // This also marks a rejection as heard: a promise that nobody awaits dooms the branch, and must not end the process.
    answer.then(
      () => statement.done(),
      (error: Error) => statement.done(error),
    );
    return answer;
  }

  #answer(config: unknown, values: unknown): Promise<unknown> {
    if (this.#opening.isOpen) return this.#send(config, values) as Promise<unknown>;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (!this.#opensWith(config, values)) {
      this.#whenOpen(() => resolve(this.#send(config, values)), reject);
      return promise;
    }
    this.#openWith(config, values, (error, result) => (error ? reject(error) : resolve(result)));
    return promise.catch((error: Error) => {
      // As the driver does: a stack that leads back to who asked, and not to the socket.
      Error.captureStackTrace(error);
      throw error;
    });
  }

  #call(config: unknown, values: unknown, callback: Callback, statement: RunningStatement): unknown {
    const heard: Callback = (error, result) => {
      statement.done(error ?? undefined);
      callback(error, result);
    };
    if (this.#opening.isOpen) return this.#send(config, values, heard);
    if (this.#opensWith(config, values)) this.#openWith(config, values, heard);
    else this.#whenOpen(() => this.#send(config, values, heard), heard);
    return undefined;
  }

  /** A query object of the caller's: cursors, streams. It is told its end by two methods, whichever comes first. */
  #submit(config: Submitted, callback: Callback | undefined, statement: RunningStatement): unknown {
    const { submit, handleError, handleReadyForQuery } = config;
    config.submit = (connection: unknown): unknown =>
      // The driver tells the object of an error that it returns here.
      textOf(config) === statement.text ? submit.call(config, connection) : this.#gate.refuse(CHANGED);
    config.handleError = (error: Error, ...more: unknown[]): unknown => {
      statement.done(error);
      return handleError.call(config, error, ...more);
    };
    config.handleReadyForQuery = (...given: unknown[]): unknown => {
      statement.done();
      return handleReadyForQuery.call(config, ...given);
    };
    if (this.#opening.isOpen) return this.#send(config, callback);
    this.#whenOpen(
      () => this.#send(config, callback),
      (error) => config.handleError(error),
    );
    return config;
  }

  #whenOpen(send: () => void, refuse: (error: Error) => void): void {
    const tryToSend = (): void => {
      try {
        send();
      } catch (error) {
        // The driver refused the arguments.
        refuse(asError(error));
      }
    };
    this.#opening.whenOpen({ send: tryToSend, refuse });
  }

  /** Statements with parameters and nothing else: what the driver sends by the extended protocol, and has checked. */
  #opensWith(config: unknown, values: unknown): boolean {
    if (!this.#opening.takesAlong) return false;
    if (typeof config === 'string') return isText(config) && isFilled(values);
    if (typeof config !== 'object' || config === null) return false;
    const { text, values: own, name, rows, portal, query_timeout: timeout } = config as DriverConfig;
    const isPlain = !name && rows === undefined && portal === undefined && timeout === undefined;
    return isPlain && isText(text) && isFilled(values ?? own);
  }

  #openWith(config: unknown, values: unknown, callback: Callback): void {
    const { Query } = this.#client().constructor as unknown as { readonly Query: DriverQueryClass };
    this.#opening.openWith(new Query(config, values, callback));
  }

  #send(...given: readonly unknown[]): unknown {
    const client = this.#client();
    return Reflect.apply(client.query, client, given);
  }
}

/** What the driver reads in a query. */
interface DriverConfig {
  readonly text?: unknown;
  readonly values?: unknown;
  readonly name?: unknown;
  readonly rows?: unknown;
  readonly types?: unknown;
  readonly portal?: unknown;
  readonly binary?: unknown;
  readonly rowMode?: unknown;
  readonly queryMode?: unknown;
  readonly query_timeout?: unknown;
  readonly callback?: unknown;
}

type DriverQueryClass = new (config: unknown, values: unknown, callback: Callback) => DriverQuery;

/**
 * A config as it is now, in an object of our own: its caller may change his, and old drivers write into what they are given.
 * What is inherited, or told by a getter, is read by its name.
 */
function asAsked(config: unknown): unknown {
  if (typeof config !== 'object' || config === null) return config;
  const { text, values, name, rows, types, portal, binary, rowMode, queryMode, query_timeout, callback } =
    config as DriverConfig;
  const read = { text, name, rows, types, portal, binary, rowMode, queryMode, query_timeout, callback };
  return { ...config, ...read, values: copyOf(values) };
}

function copyOf(values: unknown): unknown {
  return Array.isArray(values) ? [...values] : values;
}

function isText(text: unknown): boolean {
  return typeof text === 'string' && text !== '';
}

function isFilled(values: unknown): boolean {
  return Array.isArray(values) && values.length > 0;
}

const CHANGED = 'A query object whose text was changed after it was asked';

interface Submitted extends Submittable {
  callback?: Callback;
  submit(connection: unknown): unknown;
  handleError(error: Error, ...more: unknown[]): unknown;
  handleReadyForQuery(...given: unknown[]): unknown;
}

function isSubmittable(config: unknown): config is Submitted {
  return typeof config === 'object' && config !== null && 'submit' in config && typeof config.submit === 'function';
}

function callbackOf(config: unknown, second: unknown, third: unknown): Callback | undefined {
  const own = typeof config === 'object' && config !== null && 'callback' in config ? config.callback : undefined;
  return [second, third, own].find((value): value is Callback => typeof value === 'function');
}

/** Undefined: it cannot be read, so it cannot be judged. A named statement without a text was judged when it was first sent. */
function textOf(config: unknown): string | undefined {
  if (typeof config === 'string') return config;
  if (typeof config !== 'object' || config === null) return '';
  if ('text' in config && typeof config.text === 'string') return config.text;
  if ('cursor' in config) return textOf(config.cursor);
  if ('name' in config && typeof config.name === 'string' && !isSubmittable(config)) return '';
  return undefined;
}

/** Tells the way the caller would have been told of an error of the server. */
function notSent(config: unknown, callback: Callback | undefined, error: Error): unknown {
  if (isSubmittable(config)) {
    nodeIo().timers.soon(() => config.handleError(error));
    return config;
  }
  if (callback === undefined) {
    const refused = Promise.reject(error);
    // It dooms the branch, or the branch is over: nobody who forgets to await it ends the process.
    refused.catch(() => undefined);
    return refused;
  }
  nodeIo().timers.soon(() => callback(error));
  return undefined;
}

/** What handlers listen to on a client ends with their branch: the connection goes to somebody else. */
class BorrowedListeners {
  readonly #client: () => PoolClient;
  readonly #added: BorrowedListener[] = [];

  constructor(client: () => PoolClient) {
    this.#client = client;
  }

  method(name: string, self: () => PoolClient): (event: string, listener: () => void) => PoolClient {
    return (event, listener) => {
      const client = this.#client();
      if (name === 'off' || name === 'removeListener') this.#forget(event, listener);
      else this.#added.push({ client, name, event, listener });
      Reflect.apply(Reflect.get(client, name), client, [event, listener]);
      return self();
    };
  }

  removeAll(): void {
    for (const { client, event, listener } of this.#added.splice(0)) client.removeListener(event, listener);
  }

  /** To the client that has taken the other's place. */
  move(): void {
    // One that was to hear once may have heard.
    const moved = this.#added.filter(({ client, event, listener }) => client.listeners(event).includes(listener));
    this.removeAll();
    for (const { name, event, listener } of moved) this.method(name, this.#client)(event, listener);
  }

  #forget(event: string, listener: () => void): void {
    const index = this.#added.findLastIndex((added) => added.event === event && added.listener === listener);
    if (index >= 0) this.#added.splice(index, 1);
  }
}

interface BorrowedListener {
  readonly client: PoolClient;
  /** 'on', 'once', … */
  readonly name: string;
  readonly event: string;
  readonly listener: () => void;
}
