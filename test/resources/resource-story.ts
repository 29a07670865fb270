import type { TestContext } from 'node:test';
import type { Branch, IsolationLevel, ResourceManager } from '../../src/transactions/resource-manager.ts';
import {
  formatBranchQualifier,
  formatTransactionId,
  generationField,
  queueManagerField,
} from '../../src/transactions/transaction-id.ts';
import { EffectsDatabase, type Row } from '../support/effects-database.ts';
import type { TestServer } from '../support/test-databases.ts';

/** What the suite needs to know of one kind of database. */
export interface ResourceFeatures {
  readonly title: string;
  requireServer(t: TestContext): TestServer | undefined;
  make(options: MadeOptions): ResourceManager;
  /** One statement on the client that a branch hands out. */
  query(client: unknown, sql: string): Promise<readonly Row[]>;
  /** Statements that would end the transaction or step out of it, one each. */
  readonly byHand: readonly string[];
  /** A statement that only waits. */
  sleep(seconds: number): string;
  /** What goes over the wire at these steps. */
  readonly wire: { readonly commitWithMarker: RegExp; readonly prepare: RegExp; readonly finish: RegExp };
}

export interface MadeOptions {
  readonly name: string;
  readonly connectionString: string;
  readonly poolSize?: number;
  readonly statementTimeoutMs?: number;
  readonly statementErrors?: 'rollback' | 'handled';
  readonly tables?: 'create' | 'expect';
}

/** A resource on a database of its own, with a table `effects(number)` and Posthorn's tables; behind a fault proxy. */
export class ResourceStory {
  readonly features: ResourceFeatures;
  readonly database: EffectsDatabase;
  readonly resource: ResourceManager;
  readonly queueManager = queueManagerField(crypto.randomUUID());
  readonly generation = generationField(crypto.randomUUID());
  readonly #branches: Branch[] = [];
  #sequence = 0;

  private constructor(features: ResourceFeatures, database: EffectsDatabase, resource: ResourceManager) {
    this.features = features;
    this.database = database;
    this.resource = resource;
  }

  /** Undefined after the test was skipped for want of a server. */
  static async make(
    t: TestContext,
    features: ResourceFeatures,
    options: Omit<MadeOptions, 'name' | 'connectionString'> = {},
  ): Promise<ResourceStory | undefined> {
    const server = features.requireServer(t);
    if (server === undefined) return undefined;
    const database = await EffectsDatabase.make(server);
    const resource = features.make({ name: 'orders', connectionString: database.url, ...options });
    const story = new ResourceStory(features, database, resource);
    t.after(async () => {
      database.proxy.thaw();
      // A test that failed may have left some; closing would wait for them.
      await Promise.all(story.#branches.map((branch) => branch.rollback()));
      await resource.close();
      await database[Symbol.asyncDispose]();
    });
    await resource.setup.createTables();
    return story;
  }

  transactionId(epoch = 1): string {
    const { queueManager, generation } = this;
    return formatTransactionId({ queueManager, generation, epoch, sequence: ++this.#sequence });
  }

  async begin({ transaction = this.transactionId(), ...request }: StoryRequest = {}): Promise<Branch> {
    const id = { transaction, qualifier: formatBranchQualifier('orders', 0) };
    const branch = await this.resource.begin({ id, isolationLevel: 'read committed', idleMsMax: 60_000, ...request });
    this.#branches.push(branch);
    return branch;
  }

  query(branch: Branch, sql: string): Promise<readonly Row[]> {
    return this.features.query(branch.client, sql);
  }

  /** A branch that has written this number, its handlers done. */
  async written(number: number, request: StoryRequest = {}): Promise<Branch> {
    const branch = await this.begin(request);
    await this.write(branch, number);
    await branch.end();
    return branch;
  }

  async prepared(number: number, request: StoryRequest = {}): Promise<Branch> {
    const branch = await this.written(number, request);
    const answer = await branch.prepare();
    if (answer.kind !== 'yes') throw answer.error;
    return branch;
  }

  async write(branch: Branch, number: number): Promise<void> {
    await this.query(branch, `insert into effects (number) values (${number})`);
  }

  /** Prepared branches of this story. */
  async found(): Promise<readonly string[]> {
    const branches = await this.resource.recovery.scan();
    return branches.flatMap(({ id }) => (id?.transaction.includes(this.queueManager) ? [id.transaction] : []));
  }
}

export interface StoryRequest {
  readonly transaction?: string;
  readonly isolationLevel?: IsolationLevel;
  readonly signal?: () => AbortSignal;
}
