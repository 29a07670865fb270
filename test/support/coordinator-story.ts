import { type LogFields, type Logger, silentLogger } from '../../src/io/logger.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { TestMachine } from '../../src/testing/test-machine.ts';
import type { StoreWatcher } from '../../src/testing/watched-store.ts';
import { Coordinator } from '../../src/transactions/coordinator.ts';
import type {
  DistributedTransaction,
  ProtocolChoice,
  SendsVisible,
  TransactionRequest,
} from '../../src/transactions/distributed-transaction.ts';
import type { ResourceUse } from '../../src/transactions/transaction-coordinator.ts';
import type { ResourceView, TransactionView } from '../../src/transactions/transaction-view.ts';
import type { Delivery, Receiver } from '../../src/transport/transport.ts';
import { browseAll } from './browse-all.ts';
import type { FakeClient, FakeDatabase, FakeResource } from './fake-database.ts';
import { Life } from './fake-server.ts';

/** A queue manager in memory with its coordinator, and fake databases that outlive it. */
export class CoordinatorStory implements AsyncDisposable {
  readonly machine: TestMachine;
  readonly databases: readonly FakeDatabase[];
  readonly warnings: string[] = [];
  readonly infos: string[] = [];
  readonly failures: unknown[] = [];
  protocol: ProtocolChoice = 'auto';
  branchCount = 4;
  life = new Life();
  resources: readonly FakeResource[] = [];
  readonly #transactionsOfAnEpoch: number | undefined;
  #manager: QueueManager | undefined;
  #coordinator: Coordinator | undefined;
  #use: ResourceUse | undefined;
  #receiver: Receiver | undefined;

  private constructor(databases: readonly FakeDatabase[], options: StoryOptions) {
    this.databases = databases;
    const { watcher } = options;
    this.machine =
      options.machine ?? new TestMachine({ seed: options.seed ?? 7, ...(watcher !== undefined && { watcher }) });
    this.protocol = options.protocol ?? 'auto';
    this.#transactionsOfAnEpoch = options.transactionsOfAnEpoch;
  }

  static async begin(databases: readonly FakeDatabase[], options: StoryOptions = {}): Promise<CoordinatorStory> {
    const story = new CoordinatorStory(databases, options);
    await story.open();
    return story;
  }

  /** A machine with its databases, and no process yet. */
  static off(databases: readonly FakeDatabase[], options: StoryOptions = {}): CoordinatorStory {
    return new CoordinatorStory(databases, options);
  }

  get manager(): QueueManager {
    if (this.#manager === undefined) throw new Error('the queue manager of this story is not open');
    return this.#manager;
  }

  get coordinator(): Coordinator {
    if (this.#coordinator === undefined) throw new Error('the coordinator of this story is not there');
    return this.#coordinator;
  }

  get use(): ResourceUse {
    if (this.#use === undefined) throw new Error('nobody uses the databases of this story');
    return this.#use;
  }

  async open(options: { readonly uses?: boolean } = {}): Promise<void> {
    const life = new Life();
    this.life = life;
    this.#receiver = undefined;
    this.#use = undefined;
    this.#manager = await this.machine.openQueueManager({
      onFailure: (error) => this.failures.push(error),
      makeCoordinator: (parts) => {
        this.#coordinator = new Coordinator({
          ...parts,
          logger: this.#logger,
          ...(this.#transactionsOfAnEpoch !== undefined && { transactionsOfAnEpoch: this.#transactionsOfAnEpoch }),
        });
        return this.#coordinator;
      },
    });
    await this.#manager.declareQueue('in');
    await this.#manager.declareQueue('out');
    if (options.uses !== false) await this.useAll();
  }

  async useAll(): Promise<void> {
    this.resources = this.databases.map((database) => database.connect(this.life));
    this.#use = await this.coordinator.use({
      endpoint: 'sales',
      resources: this.resources,
      branchCount: this.branchCount,
      protocol: this.protocol,
    });
  }

  /** The process dies; nobody else has heard of it. */
  kill(options: { readonly closesHeld?: boolean } = {}): void {
    this.life.die();
    this.machine.crash();
    for (const database of this.databases) database.processDied(this.life, options);
  }

  async crash(): Promise<void> {
    this.kill();
    await this.open();
  }

  async restart(): Promise<void> {
    await this.manager.close();
    await this.open();
  }

  async put(...texts: readonly string[]): Promise<void> {
    const work = this.manager.begin();
    await this.manager.send(
      texts.map((text) => message('in', text)),
      work,
    );
    await work.commit();
  }

  async receive(): Promise<Delivery | undefined> {
    const { life } = this;
    this.#receiver ??= await this.manager.openReceiver('in');
    for (let turn = 0; turn < 3; turn++) {
      await this.machine.settle();
      if (life.isDead) return undefined;
      const delivery = this.#receiver.receive();
      if (delivery !== undefined) {
        this.#receiver.noteStarts();
        return delivery;
      }
    }
    return undefined;
  }

  begin({ sendsVisible = 'afterBranches', databasesDone }: BeginOptions = {}): DistributedTransaction {
    return this.coordinator.begin({
      endpoint: 'sales',
      about: () => ({ messageId: 'message-1', messageType: 'PlaceOrder' }),
      resources: this.resources,
      isolationLevel: 'read committed',
      protocol: this.protocol,
      sendsVisible,
      timeoutMs: 60_000,
      ...(databasesDone !== undefined && { databasesDone }),
    });
  }

  /** Receives one message; its row goes into every database, its text to the queue 'out'. */
  async handle(options: HandleOptions = {}): Promise<Handled> {
    const delivery = await this.receive();
    if (delivery === undefined) throw new Error('nothing can be received');
    const text = Buffer.from(delivery.body).toString();
    const transaction = this.begin(options);
    delivery.complete(transaction.work);
    for (const [index] of this.resources.entries()) {
      const client = await this.enlist(transaction, index);
      if (options.reads?.includes(index) === true) await client.read();
      else await client.insert(text);
    }
    await this.manager.send([message('out', text)], transaction.work);
    const done = transaction.commit().then(
      () => undefined,
      (error: unknown) => error as Error & { readonly code?: string },
    );
    return { transaction, delivery, done };
  }

  async enlist(transaction: DistributedTransaction, index: number): Promise<FakeClient> {
    const resource = this.resources[index];
    if (resource === undefined) throw new Error(`there is no database ${index}`);
    return (await transaction.enlist(resource)) as FakeClient;
  }

  /** Waits while time passes. */
  async within<Result>(ms: number, promise: Promise<Result>): Promise<Result> {
    let isOver = false;
    const watched = promise.finally(() => {
      isOver = true;
    });
    for (let passedMs = 0; passedMs < ms; passedMs += 100) {
      await this.machine.settle();
      if (isOver) return watched;
      await this.machine.advance(100);
    }
    await this.machine.settle();
    if (!isOver) throw new Error(`nothing came within ${ms} ms`);
    return watched;
  }

  async waiting(queue: 'in' | 'out'): Promise<string[]> {
    return (await browseAll(this.manager, queue)).map(({ body }) => Buffer.from(body ?? []).toString());
  }

  async state(prefix: string): Promise<string[]> {
    return (await this.manager.readState({ prefix, countMax: 1_000 })).entries.map(({ key }) => key);
  }

  async view(): Promise<readonly TransactionView[]> {
    return (await this.coordinator.list({})).transactions;
  }

  async resourceViews(): Promise<readonly ResourceView[]> {
    return (await this.coordinator.list({})).resources;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.life.isDead) await this.manager.close();
  }

  get #logger(): Logger {
    const note = (text: string, _fields?: LogFields): void => void this.warnings.push(text);
    return { ...silentLogger, info: (text) => void this.infos.push(text), warn: note, error: note };
  }
}

export interface StoryOptions {
  readonly seed?: number;
  readonly watcher?: StoreWatcher;
  readonly protocol?: ProtocolChoice;
  readonly transactionsOfAnEpoch?: number;
  /** A machine that was used before. */
  readonly machine?: TestMachine;
}

interface BeginOptions extends Pick<TransactionRequest, 'databasesDone'> {
  readonly sendsVisible?: SendsVisible;
}

interface HandleOptions extends BeginOptions {
  /** Databases that are only read. */
  readonly reads?: readonly number[];
}

interface Handled {
  readonly transaction: DistributedTransaction;
  readonly delivery: Delivery;
  /** What the commit threw. */
  readonly done: Promise<(Error & { readonly code?: string }) | undefined>;
}

export function message(queue: string, text: string) {
  return { destination: { queue }, headers: headersOf({ [Header.messageId]: `id-${text}` }), body: Buffer.from(text) };
}
