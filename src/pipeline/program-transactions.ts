import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { Roster } from '../io/roster.ts';
import { currentTransaction, runInTransaction } from '../transactions/ambient-transaction.ts';
import type { Resource } from '../transactions/resource.ts';
import { type DistributedParts, DistributedWork } from './distributed-work.ts';
import { TransactionAborted, TransactionElsewhere, TransactionTimedOut } from './errors.ts';
import { GivingUp } from './giving-up.ts';
import type { OutgoingPipeline } from './outgoing-pipeline.ts';
import { ProgramTransaction } from './program-transaction.ts';
import { TimeoutReaper } from './timeout-reaper.ts';
import { type TransactionContext, WorkContext } from './transaction-context.ts';
import { Turns } from './turns.ts';

/**
 * Runs functions of the program in transactions: `endpoint.transaction(…)`.
 *
 * - Inside a transaction of the same endpoint, a handler's too, a function joins it.
 * - With databases, at most `concurrency` run at a time, besides the handlers: each pool has a connection for every one, so
 *   that two transactions never hold what the other waits for.
 */
export class ProgramTransactions {
  readonly #parts: ProgramTransactionsParts;
  readonly #reaper: TimeoutReaper<ProgramTransaction>;
  readonly #turns: Turns | undefined;
  readonly #givingUp: GivingUp;
  readonly #running = new Roster<ProgramTransaction>();
  #isStopping = false;
  #wakeStop: (() => void) | undefined;

  constructor(parts: ProgramTransactionsParts) {
    const { io, distributed, concurrency } = parts;
    const { timeoutMs, resources } = distributed;
    this.#parts = parts;
    this.#turns = resources.length === 0 ? undefined : new Turns(concurrency);
    const timedOut = new TransactionTimedOut(timeoutMs, 'transaction');
    this.#givingUp = new GivingUp({ ...parts, waiting: () => this.#running.size });
    this.#reaper = new TimeoutReaper(io, timeoutMs, (transaction) => transaction.abandon(timedOut));
  }

  /**
   * Resolves with what `action` returned after everything is durable; rejects with what it threw after everything is undone.
   *
   * @throws {PosthornError} OUTCOME_UNKNOWN: it will be one or the other {TransactionTimedOut} {TransactionAborted}
   * {TransactionElsewhere} and what databases say at the commit; then nothing of it is there
   */
  async run<Result>(action: TransactionAction<Result>): Promise<Result> {
    const around = currentTransaction();
    if (around instanceof DistributedWork) return this.#join(around, action);
    const { endpoint } = this.#parts.distributed;
    if (this.#isStopping) throw new TransactionAborted(endpoint);
    await this.#parts.ready();
    if (this.#turns === undefined) return this.#runOwn(action);
    await this.#turns.take();
    try {
      return await this.#runOwn(action);
    } finally {
      this.#turns.give();
    }
  }

  /** Begins none any more, waits for those that run, and after `timeoutMs` aborts them. Resolves when all have ended. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    this.#turns?.refuse(new TransactionAborted(this.#parts.distributed.endpoint));
    const deadline = this.#parts.io.timers.after(timeoutMs, () => this.#abortRunning(), { keepsProcessAlive: true });
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#wakeStop = resolve;
      });
    }
    deadline.cancel();
    this.#givingUp.cancel();
    this.#reaper.stop();
  }

  /** While it stops: what still runs `timeoutMs` from now is aborted. */
  hurryStop(timeoutMs: number): void {
    this.#parts.io.timers.after(timeoutMs, () => this.#abortRunning());
  }

  async #join<Result>(around: DistributedWork, action: TransactionAction<Result>): Promise<Result> {
    const { distributed } = this.#parts;
    around.scope.requireOpen();
    if (around.parts !== distributed) throw new TransactionElsewhere(distributed.endpoint, around.parts.endpoint);
    return around.join(() => action(this.#contextOf(around)));
  }

  async #runOwn<Result>(action: TransactionAction<Result>): Promise<Result> {
    const { distributed, io } = this.#parts;
    if (this.#isStopping) throw new TransactionAborted(distributed.endpoint);
    const transaction = new ProgramTransaction(distributed, io.clock.monotonicNowMs(), this.#givingUp.signal);
    this.#running.add(transaction);
    this.#reaper.watch(transaction);
    try {
      const acting = runInTransaction(transaction.work, async () => action(this.#contextOf(transaction.work)));
      const result = await Promise.race([acting, transaction.whenAbandoned]);
      this.#reaper.unwatch(transaction);
      await transaction.commit();
      return result;
    } catch (error) {
      this.#reaper.unwatch(transaction);
      await transaction.rollback();
      throw error;
    } finally {
      this.#running.remove(transaction);
      if (this.#running.size === 0) this.#wakeStop?.();
    }
  }

  #contextOf(work: DistributedWork): TransactionContext<Resource> {
    return new WorkContext(work, this.#parts.outgoing, this.#parts.checkSendLocal);
  }

  #abortRunning(): void {
    if (this.#running.size > 0) this.#givingUp.begin();
    for (const transaction of this.#running.all())
      transaction.abandon(new TransactionAborted(this.#parts.distributed.endpoint));
  }
}

export type TransactionAction<Result> = (transaction: TransactionContext<Resource>) => Result | Promise<Result>;

export interface ProgramTransactionsParts {
  readonly distributed: DistributedParts;
  readonly concurrency: number;
  readonly outgoing: OutgoingPipeline;
  readonly io: Io;
  readonly logger: Logger;
  /** Makes the coordinator ready, and room in the pools; before each. */
  ready(): Promise<void>;
  /** @throws where there is no own queue */
  readonly checkSendLocal: () => void;
}
