import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Endpoint } from '../../src/endpoint/endpoint.ts';
import type { EndpointOptions } from '../../src/endpoint/endpoint-options.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import { nodeNames } from '../../src/io/node-names.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import { openQueueManager, type ServedQueueManagerOptions } from '../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { EndpointEventName, EndpointEvents } from '../../src/recoverability/notifications.ts';
import { checkMysqlOptions } from '../../src/resources/mysql/mysql-options.ts';
import { MysqlResource, mysqlResource } from '../../src/resources/mysql/mysql-resource.ts';
import { MysqlResourceManager } from '../../src/resources/mysql/mysql-resource-manager.ts';
import { PostgresManager } from '../../src/resources/postgres/postgres-manager.ts';
import { resolvePostgresOptions } from '../../src/resources/postgres/postgres-options.ts';
import { PostgresResource, postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import type { Resource } from '../../src/transactions/resource.ts';
import type { ResourceManager } from '../../src/transactions/resource-manager.ts';
import { queueManagerField } from '../../src/transactions/transaction-id.ts';
import { ABORT_ROW_PREFIX, TRANSACTION_PREFIX } from '../../src/transactions/transaction-record.ts';
import { browseAll } from './browse-all.ts';
import type { EffectsDatabase, Row } from './effects-database.ts';

/**
 * Endpoints over real databases, on a queue manager on disk and in real time. Messages are numbers: an endpoint's handler
 * writes its number into every database that it lists, and sends it on to the queue `done`.
 */
export class DatabaseStory implements AsyncDisposable {
  readonly directory: string;
  readonly #ownsDirectory: boolean;
  readonly #endpoints: Endpoint<never>[] = [];
  readonly #resources = new Map<string, EffectsResource>();
  #manager: QueueManager | undefined;

  private constructor(directory: string | undefined) {
    this.directory = directory ?? mkdtempSync(join(tmpdir(), 'posthorn-databases-'));
    this.#ownsDirectory = directory === undefined;
  }

  /** @param options - with `directory`: the story goes on there, and leaves it at its end */
  static async begin(options: OpenStoryOptions = {}): Promise<DatabaseStory> {
    const story = new DatabaseStory(options.directory);
    await story.open(options);
    return story;
  }

  get manager(): QueueManager {
    if (this.#manager === undefined) throw new Error('the queue manager of this story is not open');
    return this.#manager;
  }

  async open({ network = false, ...options }: OpenStoryOptions = {}): Promise<void> {
    this.#manager = await openQueueManager({
      machine: 'alpha',
      ...(network ? {} : { network: false }),
      logger: silentLogger,
      onFailure: () => undefined,
      ...options,
      directory: this.directory,
    });
  }

  /** Ends the process' part in good order, as far as that can be. */
  async close(): Promise<void> {
    await Promise.all(this.#endpoints.splice(0).map((endpoint) => endpoint.stop({ timeoutMs: 0 })));
    await this.#manager?.close();
    this.#manager = undefined;
    this.#resources.clear();
  }

  /** Not started yet. Retries come at once, and there are enough of them for a story full of faults. */
  endpoint<Resources extends Resource>(name: string, options: EndpointOptions<Resources>): Endpoint<Resources> {
    const endpoint = new Endpoint(name, {
      queueManager: this.manager,
      concurrency: 2,
      recoverability: { immediateRetries: 20, delayedRetries: 0 },
      logger: silentLogger,
      ...options,
    });
    this.#endpoints.push(endpoint as unknown as Endpoint<never>);
    return endpoint;
  }

  /** One that writes each number into the databases, and sends it on. `before` may make an attempt wait, or fail. */
  numbersEndpoint(databases: readonly Place[], options: NumbersOptions = {}): NumbersEndpoint {
    const { name = 'numbers', before = async () => undefined, to = 'done', ...rest } = options;
    const resources = databases.map((database) => this.resource(database));
    const endpoint = this.endpoint(name, { ...rest, resources });
    let attempts = 0;
    endpoint.handle('Number', async (message, context) => {
      const { number } = message as { readonly number: number };
      attempts++;
      await before(number);
      for (const resource of resources) await resource.query(`insert into effects values (${Number(number)})`);
      await context.send('Number', { number }, { to });
    });
    return { endpoint, attempts: () => attempts };
  }

  /** One value for one database, as long as the queue manager is open: endpoints share it. */
  resource(place: Place): EffectsResource {
    const known = this.#resources.get(place.url);
    if (known !== undefined) return known;
    const resource = new EffectsResource(place);
    this.#resources.set(place.url, resource);
    return resource;
  }

  async put(queue: string, ...numbers: readonly number[]): Promise<void> {
    await this.manager.send(
      numbers.map((number) => ({
        destination: { queue },
        headers: headersOf({ [Header.messageId]: `number ${number}`, [Header.enclosedMessageTypes]: 'Number' }),
        body: Buffer.from(JSON.stringify({ number })),
      })),
    );
  }

  /** The numbers of the messages that wait in a queue, lowest first. */
  async numbersIn(queue: string, manager = this.manager): Promise<number[]> {
    if (!manager.hasQueue(queue)) return [];
    const messages = await browseAll(manager, queue);
    const numbers = messages.map(({ body }) => JSON.parse(Buffer.from(body ?? []).toString()).number as number);
    return numbers.sort((left, right) => left - right);
  }

  /** Resolves when these numbers wait in the queue, in whatever order. */
  async untilIn(queue: string, ...numbers: readonly number[]): Promise<void> {
    await until(
      async () => (await this.numbersIn(queue)).join() === [...numbers].sort((left, right) => left - right).join(),
      async () => `in ${queue} ${await this.numbersIn(queue)} instead of ${numbers}`,
    );
  }

  /** Resolves when exactly these have taken effect there. */
  async untilEffects(database: EffectsDatabase, numbers: readonly number[]): Promise<void> {
    await until(
      async () => (await database.numbers()).join() === numbers.join(),
      async () => `effects ${await database.numbers()} instead of ${numbers}`,
    );
  }

  /** Ids of transactions that are written down, and not over. */
  async records(): Promise<string[]> {
    const pages = [TRANSACTION_PREFIX, ABORT_ROW_PREFIX].map((prefix) =>
      this.manager.readState({ prefix, countMax: 100 }),
    );
    return (await Promise.all(pages)).flatMap(({ entries }) => entries.map(({ key }) => key));
  }

  /** Of this queue manager: transactions that are written down, and branches that are prepared. */
  async leftOver(databases: readonly EffectsDatabase[]): Promise<string[]> {
    const own = queueManagerField(this.manager.storeId);
    const prepared = await Promise.all(databases.map((database) => database.prepared(own)));
    return [...(await this.records()), ...prepared.flat()];
  }

  /**
   * Waits until nothing is left to do; then every number has taken effect once everywhere, nothing is in the error queue, and
   * nothing is prepared or staged any more.
   */
  async untilAgreed(databases: readonly EffectsDatabase[], numbers: readonly number[]): Promise<void> {
    await this.untilIn('done', ...numbers);
    await until(
      async () => (await this.leftOver(databases)).length === 0,
      async () => `left over: ${await this.leftOver(databases)}`,
    );
    const wanted = [...numbers].sort((left, right) => left - right);
    for (const database of databases) {
      assert.deepEqual(await database.numbers(), wanted, `in ${database.kind}`);
      assert.deepEqual(
        await database.prepared(queueManagerField(this.manager.storeId)),
        [],
        `prepared in ${database.kind}`,
      );
    }
    assert.deepEqual(await this.numbersIn('error'), []);
    assert.deepEqual(await this.numbersIn('done'), wanted);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    if (this.#ownsDirectory) rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface OpenStoryOptions extends Partial<Omit<ServedQueueManagerOptions, 'network'>> {
  /** Talks with other machines, as `network.json` of its directory says; default: false. */
  readonly network?: boolean;
}

export interface NumbersOptions extends Omit<EndpointOptions, 'resources'> {
  readonly name?: string;
  /** Where it sends; default: the queue `done`. */
  readonly to?: string;
  /** Runs before the handler's first statement. */
  readonly before?: (number: number) => Promise<void>;
}

export interface NumbersEndpoint {
  readonly endpoint: Endpoint<EffectsResource>;
  /** How often its handler was called. */
  attempts(): number;
}

/** Where a database is, for an endpoint of a story. */
export interface Place extends Pick<EffectsDatabase, 'kind' | 'url'> {
  /** Tells the addresses of names; default: as this machine has it. */
  readonly namesFile?: string;
}

/** A resource whose statements look the same on both kinds of database. */
export class EffectsResource implements Resource {
  readonly name: string;
  readonly resourceManager: ResourceManager;
  readonly #inner: ReturnType<typeof innerResource>;

  constructor(place: Place) {
    this.#inner = innerResource(place);
    this.name = this.#inner.name;
    this.resourceManager = this.#inner.resourceManager;
  }

  /** In the transaction of the handler; resolves with the rows, if any. */
  async query(sql: string): Promise<readonly Row[]> {
    if (this.#inner instanceof PostgresResource) return (await this.#inner.query<Row>(sql)).rows;
    const [rows] = await this.#inner.query(sql);
    return Array.isArray(rows) ? (rows as readonly Row[]) : [];
  }
}

function innerResource({ kind, url: connectionString, namesFile }: Place) {
  if (kind === 'postgres') {
    const options = { name: 'orders', connectionString };
    if (namesFile === undefined) return postgresResource(options);
    const settings = { ...resolvePostgresOptions(options), names: nodeNames({ namesFile }) };
    return new PostgresResource(options.name, new PostgresManager(settings));
  }
  const options = { name: 'stock', connectionString };
  if (namesFile === undefined) return mysqlResource(options);
  const names = nodeNames({ namesFile });
  return new MysqlResource(options.name, new MysqlResourceManager(checkMysqlOptions(options), { names }));
}

/** The next event of this name; ask before what causes it. */
export function next<Name extends EndpointEventName>(
  { endpoint }: NumbersEndpoint,
  name: Name,
): Promise<EndpointEvents[Name]> {
  return new Promise((resolve) => {
    const listener = (event: EndpointEvents[Name]): void => {
      endpoint.off(name, listener);
      resolve(event);
    };
    endpoint.on(name, listener);
  });
}

/** Looks until it is so; `describe` tells what was there at last instead. */
export async function until(isSo: () => Promise<boolean>, describe: () => Promise<string>): Promise<void> {
  const { timers, clock } = nodeIo();
  const untilMs = clock.monotonicNowMs() + UNTIL_MS_MAX;
  while (!(await isSo())) {
    if (clock.monotonicNowMs() > untilMs) assert.fail(`it stays otherwise: ${await describe()}`);
    await new Promise<void>((resolve) => timers.after(LOOK_EVERY_MS, resolve, { keepsProcessAlive: true }));
  }
}

const LOOK_EVERY_MS = 20;
const UNTIL_MS_MAX = 40_000;
