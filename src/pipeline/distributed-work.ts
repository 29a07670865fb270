import { isPosthornError } from '../message/posthorn-error.ts';
import { toError } from '../recoverability/errors.ts';
import type { AmbientTransaction } from '../transactions/ambient-transaction.ts';
import type { DistributedTransaction, ProtocolChoice, SendsVisible } from '../transactions/distributed-transaction.ts';
import { ResourceNotListed } from '../transactions/errors.ts';
import type { IsolationLevel, ResourceManager } from '../transactions/resource-manager.ts';
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import { NestedTransactionFailed, NestedTransactionOpen } from './errors.ts';
import type { Cause } from './outgoing-headers.ts';
import type { SendingAttempt } from './outgoing-pipeline.ts';

/**
 * The transaction over queues and databases that one piece of code runs in: the handlers of a message, or a function of the
 * program. As ambient transaction it is found from anywhere below.
 *
 * `endpoint.transaction(…)` called inside joins it, as TransactionScope's `Required` does: what joined never commits by
 * itself, and when it fails nothing here can commit any more, whoever catches the error.
 */
export class DistributedWork implements AmbientTransaction {
  readonly parts: DistributedParts;
  readonly scope: WorkScope;
  readonly #transaction: DistributedTransaction;
  #joinedCount = 0;
  #doomedBy: Error | undefined;
  #isRefused = false;

  constructor(parts: DistributedParts, scope: WorkScope) {
    const { coordinator, ...request } = parts;
    this.parts = parts;
    this.scope = scope;
    this.#transaction = coordinator.begin({
      ...request,
      about: () => scope.about(),
      signal: () => scope.signal,
      givenUp: scope.givenUp,
      databasesDone: () => scope.databasesDone?.() ?? false,
    });
  }

  get id(): string {
    return this.#transaction.id;
  }

  /** The queue side. */
  get unit(): UnitOfWork {
    return this.#transaction.work;
  }

  /** A commit's answer was lost: see `whenSettled`. */
  get isInDoubt(): boolean {
    return this.#transaction.outcome === 'unknown';
  }

  /** A database was asked for that takes no branches until somebody changes something: the code was not given a chance. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  get whenSettled(): DistributedTransaction['whenSettled'] {
    return this.#transaction.whenSettled;
  }

  async enlist(resource: ResourceManager): Promise<unknown> {
    this.scope.requireOpen();
    const { resources, endpoint } = this.parts;
    if (!resources.includes(resource)) {
      throw new ResourceNotListed(
        resource.name,
        endpoint,
        resources.map(({ name }) => name),
      );
    }
    try {
      return await this.#transaction.enlist(resource);
    } catch (error) {
      if (isPosthornError(error) && REFUSALS.has(error.code)) this.#isRefused = true;
      throw error;
    }
  }

  /** Runs code that takes part and does not end it. */
  async join<Result>(action: () => Result | Promise<Result>): Promise<Result> {
    this.#joinedCount++;
    try {
      return await action();
    } catch (error) {
      this.#doomedBy ??= toError(error);
      throw error;
    } finally {
      this.#joinedCount--;
    }
  }

  /** @throws as `DistributedTransaction.commit` {NestedTransactionOpen} {NestedTransactionFailed} */
  async commit(): Promise<void> {
    if (this.#joinedCount > 0) throw new NestedTransactionOpen();
    if (this.#doomedBy !== undefined) throw new NestedTransactionFailed(this.#doomedBy);
    await this.#transaction.commit();
  }

  rollback(): Promise<void> {
    return this.#transaction.rollback();
  }
}

/** While a database answers one of these, its endpoints receive nothing. */
const REFUSALS: ReadonlySet<string> = new Set(['RESOURCE_FENCED', 'RESOURCE_UNFIT', 'RESOURCE_TABLES_MISSING']);

/** What all distributed transactions of one started endpoint share; also tells whose transaction one is. */
export interface DistributedParts {
  readonly coordinator: TransactionCoordinator;
  readonly endpoint: string;
  readonly resources: readonly ResourceManager[];
  readonly isolationLevel: IsolationLevel;
  readonly protocol: ProtocolChoice;
  readonly sendsVisible: SendsVisible;
  readonly timeoutMs: number;
}

/** The code that runs in a transaction, from its begin to its end. */
export interface WorkScope extends SendingAttempt {
  /** Aborted when it takes too long and when the endpoint stops. */
  readonly signal: AbortSignal;
  /** See `TransactionRequest.givenUp`. */
  readonly givenUp: AbortSignal;
  /** The message that it handles. */
  readonly cause: Cause | undefined;
  /** See `TransactionRequest.databasesDone`. */
  databasesDone?(): boolean;
  about(): { readonly messageId?: string | undefined; readonly messageType?: string | undefined };
  /** @throws {TransactionEnded} it has returned, or was given up */
  requireOpen(): void;
}
