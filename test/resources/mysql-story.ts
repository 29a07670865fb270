import type { TestContext } from 'node:test';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { MysqlClient } from '../../src/resources/mysql/guarded-connection.ts';
import type { MysqlResourceOptions } from '../../src/resources/mysql/mysql-options.ts';
import { type MysqlResource, mysqlResource } from '../../src/resources/mysql/mysql-resource.ts';
import type { Branch, BranchRequest, ResourceManager } from '../../src/transactions/resource-manager.ts';
import {
  type BranchId,
  formatBranchQualifier,
  formatTransactionId,
  generationField,
  queueManagerField,
} from '../../src/transactions/transaction-id.ts';
import { type FreshDatabase, freshDatabase, requireMariadb } from '../support/test-databases.ts';

/** A MariaDB database of this test alone, with a table `stock`, a connection of the test's own, and resources on it. */
export class MysqlStory implements AsyncDisposable {
  readonly database: FreshDatabase;
  /** Sees what everybody else sees. */
  readonly outside: Connection;
  readonly resource: MysqlResource<'stock'>;
  readonly #resources: ResourceManager[] = [];
  readonly #branches: Branch[] = [];
  #sequence = 0;

  private constructor(database: FreshDatabase, outside: Connection, options: Partial<MysqlResourceOptions>) {
    this.database = database;
    this.outside = outside;
    this.resource = this.open(options);
  }

  /** Undefined when the test was skipped for want of a server. */
  static async begin(t: TestContext, options: Partial<MysqlResourceOptions> = {}): Promise<MysqlStory | undefined> {
    const server = requireMariadb(t);
    if (server === undefined) return undefined;
    const database = await freshDatabase(server);
    const outside = await createConnection(database.connectionString);
    await outside.query('create table stock (item int primary key, amount int not null) engine = InnoDB');
    const story = new MysqlStory(database, outside, options);
    await story.manager.setup.createTables();
    return story;
  }

  get manager(): ResourceManager {
    return this.resource.resourceManager;
  }

  /** Another resource on the same database, as another process has it. */
  open(options: Partial<MysqlResourceOptions> = {}): MysqlResource<'stock'> {
    const resource = mysqlResource({
      name: 'stock',
      connectionString: this.database.connectionString,
      poolSize: 4,
      ...options,
    } as MysqlResourceOptions<'stock'>);
    this.#resources.push(resource.resourceManager);
    return resource;
  }

  /** Of a queue manager that no other story has. */
  readonly queueManager = queueManagerField(crypto.randomUUID());
  readonly generation = generationField(crypto.randomUUID());

  nextId({ epoch = 1 } = {}): BranchId {
    const { queueManager, generation } = this;
    const transaction = formatTransactionId({ queueManager, generation, epoch, sequence: ++this.#sequence });
    return { transaction, qualifier: formatBranchQualifier('stock', 0) };
  }

  async branch(request: Partial<BranchRequest> = {}): Promise<BranchAndClient> {
    const wanted = { id: this.nextId(), isolationLevel: 'read committed', idleMsMax: 60_000, ...request } as const;
    const branch = await this.manager.begin(wanted);
    this.#branches.push(branch);
    return { branch, client: branch.client as MysqlClient };
  }

  /** A branch that has written `item` and voted yes. */
  async prepared(item: number, resource = this.resource): Promise<Branch> {
    const id = this.nextId();
    const branch = await resource.resourceManager.begin({ id, isolationLevel: 'read committed', idleMsMax: 60_000 });
    this.#branches.push(branch);
    await (branch.client as MysqlClient).query('insert into stock values (?, 1)', [item]);
    await branch.end();
    const vote = await branch.prepare();
    if (vote.kind !== 'yes') throw vote.error;
    return branch;
  }

  async items(): Promise<number[]> {
    const [rows] = await this.outside.query<RowDataPacket[]>('select item from stock order by item');
    return rows.map((row) => row.item);
  }

  async markers(): Promise<string[]> {
    const [rows] = await this.outside.query<RowDataPacket[]>('select id, outcome from posthorn_marker order by id');
    return rows.map((row) => `${row.outcome} ${row.id}`);
  }

  /** Ids of prepared branches of this story's queue manager. */
  async listed(): Promise<string[]> {
    const found = await this.manager.recovery.scan();
    return found.flatMap(({ id }) => (id?.transaction.includes(this.queueManager) === true ? [id.transaction] : []));
  }

  /** What a test left behind is rolled back, so that the database can be dropped. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const branch of this.#branches) await branch.rollback();
    for (const manager of this.#resources) await manager.close();
    for (const found of await this.manager.recovery.scan()) {
      if (found.id?.transaction.includes(this.queueManager) === true) await this.outside.query(found.sql.rollback);
    }
    await this.manager.close();
    await this.outside.end();
    await this.database[Symbol.asyncDispose]();
  }
}

export interface BranchAndClient {
  readonly branch: Branch;
  readonly client: MysqlClient;
}
