import type { Io } from '../io/io.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import { TransactionActionRefused, TransactionNotFound } from '../transactions/errors.ts';
import { OPERATOR_ACTION_PREFIX, type OperatorActionRecord } from '../transactions/transaction-record.ts';
import type { OperatorWish, ResourceView, TransactionPage, TransactionView } from '../transactions/transaction-view.ts';
import type { TransactionActed, TransactionsRequest } from './operations.ts';
import { readTransactionId, readTransactionsRequest, readWish } from './transaction-requests.ts';

/**
 * The operations on transactions over databases. The coordinator answers them; while nobody runs the queue manager it knows
 * what is written down and reaches no database, so only `forget` can be done then.
 */
export class TransactionOperations {
  readonly #manager: QueueManager;
  readonly #io: Io;
  readonly #isRunning: boolean;

  constructor(manager: QueueManager, io: Io, options: { readonly isRunning: boolean }) {
    this.#manager = manager;
    this.#io = io;
    this.#isRunning = options.isRunning;
  }

  async list(request: TransactionsRequest): Promise<TransactionPage> {
    const page = await this.#manager.coordinator.list(readTransactionsRequest(request));
    return this.#isRunning ? page : { ...page, resources: page.resources.map(stopped) };
  }

  async show(request: { readonly id: string }): Promise<TransactionView> {
    const id = readTransactionId(request);
    const found = await this.#manager.coordinator.show({ id });
    if (found === undefined) throw new TransactionNotFound(id, []);
    return found;
  }

  /** A wish whose answer was lost is asked for again (O3): what it did before is told, and not done twice. */
  async act(request: OperatorWish): Promise<TransactionActed> {
    const wish = readWish(request);
    if (!this.#isRunning && wish.action !== 'forget') throw await this.#nobodyRuns(wish);
    try {
      return { transaction: await this.#manager.coordinator.act(wish), wasDoneBefore: false };
    } catch (error) {
      if (!isNothingLeft(error) || !(await this.#wasDone(wish))) throw error;
      return { transaction: await this.#manager.coordinator.show({ id: wish.id }), wasDoneBefore: true };
    }
  }

  async #nobodyRuns({ action, id }: OperatorWish): Promise<TransactionActionRefused> {
    const { endpoint } = await this.show({ id });
    const who = endpoint === undefined ? 'an endpoint that uses its database' : `endpoint '${endpoint}'`;
    return new TransactionActionRefused(
      action,
      id,
      `no queue manager runs on '${this.#manager.directory}', and only one that runs reaches the databases`,
      `Start it with ${who}, with 'posthorn host' or your own program; then run this again.`,
    );
  }

  async #wasDone(wish: OperatorWish): Promise<boolean> {
    const sinceMs = this.#io.clock.wallNowMs() - REPEATED_WITHIN_MS;
    let afterKey: string | undefined;
    for (;;) {
      const page = await this.#manager.readState({
        prefix: OPERATOR_ACTION_PREFIX,
        countMax: 256,
        ...(afterKey !== undefined && { afterKey }),
      });
      // Rows are of this package's own writing.
      const actions = page.entries.map(({ value }) => JSON.parse(value) as OperatorActionRecord);
      if (actions.some((action) => action.atMs >= sinceMs && isThatWish(action, wish))) return true;
      afterKey = page.entries.at(-1)?.key;
      if (page.isLast || afterKey === undefined) return false;
    }
  }
}

/** Well above the time for which a verb asks again when its connection was lost. */
const REPEATED_WITHIN_MS = 60_000;

/** What the coordinator answers when there is nothing, or nothing any more, that the wish could be done to. */
function isNothingLeft(error: unknown): boolean {
  return isPosthornError(error, 'TRANSACTION_NOT_FOUND') || isPosthornError(error, 'TRANSACTION_ACTION_REFUSED');
}

function isThatWish(done: OperatorActionRecord, { action, id, reason, by }: OperatorWish): boolean {
  return done.action === action && done.reason === reason && done.by === by && done.transaction.startsWith(id);
}

/** What stands fenced is so whether anybody runs or not. */
function stopped(resource: ResourceView): ResourceView {
  return resource.state === 'fenced' ? resource : { ...resource, state: 'stopped' };
}
