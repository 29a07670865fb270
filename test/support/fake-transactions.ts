import { invariant } from '../../src/message/posthorn-error.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { DistributedTransaction } from '../../src/transactions/distributed-transaction.ts';
import { TransactionActionRefused, TransactionNotFound } from '../../src/transactions/errors.ts';
import type { ResourceUse, TransactionCoordinator } from '../../src/transactions/transaction-coordinator.ts';
import { formatTransactionId } from '../../src/transactions/transaction-id.ts';
import { OPERATOR_ACTION_PREFIX, type OperatorActionRecord } from '../../src/transactions/transaction-record.ts';
import type {
  BranchView,
  OperatorWish,
  ResourceView,
  TransactionPage,
  TransactionView,
  ViewRequest,
} from '../../src/transactions/transaction-view.ts';

/** A coordinator that shows what a test says, in pages of two, and remembers what operators wished. */
export class FakeTransactions implements TransactionCoordinator {
  transactions: TransactionView[] = [];
  resources: ResourceView[] = [];
  readonly wishes: OperatorWish[] = [];
  wallNowMs = (): number => Date.now();
  readonly #manager: () => QueueManager;

  constructor(manager: () => QueueManager) {
    this.#manager = manager;
  }

  async list({ afterId, state, resource, endpoint }: ViewRequest): Promise<TransactionPage> {
    const wanted = this.transactions.filter(
      (each) =>
        (afterId === undefined || each.id > afterId) &&
        (state === undefined || each.state === state) &&
        (endpoint === undefined || each.endpoint === endpoint) &&
        (resource === undefined || each.branches.some((branch) => branch.resource === resource)),
    );
    const transactions = wanted.slice(0, PAGE);
    const resources = afterId === undefined ? this.resources : [];
    return { transactions, resources, isLast: transactions.length === wanted.length };
  }

  async show({ id }: { readonly id: string }): Promise<TransactionView | undefined> {
    const fitting = this.transactions.filter((each) => each.id.startsWith(id));
    if (fitting.length > 1)
      throw new TransactionNotFound(
        id,
        fitting.map((each) => each.id),
      );
    return fitting[0];
  }

  /** Takes what was meant away; `retry` leaves it. */
  async act(wish: OperatorWish): Promise<TransactionView | undefined> {
    const found = await this.show(wish);
    const fenced = this.resources.find(({ name }) => name === wish.id);
    if (found === undefined && fenced === undefined) throw new TransactionNotFound(wish.id, []);
    if (found?.state === 'foreign') {
      throw new TransactionActionRefused(wish.action, wish.id, 'another program made it', 'Ask whoever runs that.');
    }
    this.wishes.push(wish);
    await this.#note(wish, found?.state ?? 'fenced');
    if (wish.action === 'retry') return found;
    this.transactions = this.transactions.filter((each) => each !== found);
    this.resources = this.resources.filter((each) => each !== fenced);
    return undefined;
  }

  async stop(): Promise<void> {}

  async use(): Promise<ResourceUse> {
    invariant(false, 'no endpoint uses a database here');
  }

  begin(): DistributedTransaction {
    invariant(false, 'no transaction is begun here');
  }

  async #note({ action, id, reason, by }: OperatorWish, before: string): Promise<void> {
    const record: OperatorActionRecord = {
      atMs: this.wallNowMs(),
      by,
      action,
      transaction: id,
      reason,
      before,
      after: '',
    };
    const manager = this.#manager();
    const work = manager.begin();
    manager.setState(work, `${OPERATOR_ACTION_PREFIX}${this.wishes.length}`, JSON.stringify(record));
    await work.commit();
  }
}

const PAGE = 2;

export function transactionId(sequence: number): string {
  return formatTransactionId({ queueManager: 'q'.repeat(26), generation: 'g'.repeat(8), epoch: 3, sequence });
}

export function transactionView(sequence: number, given: Partial<TransactionView> = {}): TransactionView {
  return {
    id: transactionId(sequence),
    state: 'committing',
    protocol: 'twoPhase',
    protocolReason: 'two-phase commit: 2 databases prepared, and the decision is kept here',
    endpoint: 'sales',
    messageId: `message-${sequence}`,
    messageType: 'Sales.PlaceOrder',
    ageMs: 5000,
    branches: [],
    heldSends: [],
    sentence: 'Commit was decided; its databases are being told.',
    actions: [],
    ...given,
  };
}

export function branchView(resource: string, given: Partial<BranchView> = {}): BranchView {
  const branchId = `${transactionId(1)}:${'r'.repeat(13)}.ab`;
  return {
    resource,
    branchId,
    state: 'prepared',
    lastAnswer: undefined,
    attempts: 0,
    nextTryMs: undefined,
    heuristic: undefined,
    proof: undefined,
    sql: { commit: `COMMIT PREPARED '${branchId}';`, rollback: `ROLLBACK PREPARED '${branchId}';` },
    ...given,
  };
}

export function resourceView(name: string, given: Partial<ResourceView> = {}): ResourceView {
  return {
    name,
    kind: 'postgres',
    target: { host: 'db1', port: 5432, database: 'shop', user: 'app' },
    state: 'ready',
    sinceMs: undefined,
    sentence: undefined,
    oldestPreparedMs: undefined,
    mayBeHandledUpTo: undefined,
    endpoints: [],
    ...given,
  };
}
