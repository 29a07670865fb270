import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { Roster } from '../io/roster.ts';
import type { CoordinatorRecords } from './coordinator-records.ts';
import { PendingTransaction, type SecondUnit } from './pending-transaction.ts';
import type { QueueSide } from './queue-side.ts';
import type { ResourceManager } from './resource-manager.ts';
import { SteppedWork } from './stepped-work.ts';
import type { TransactionAtHand } from './transaction-at-hand.ts';
import type { AbortRowRecord, TransactionRecord } from './transaction-record.ts';
import { StateOfTransaction } from './transaction-state.ts';
import type { UsedResource, WatchedBranch } from './used-resource.ts';

/**
 * What the parts of the coordinator share: who runs, what is written down and not settled, which databases there are.
 *
 * A transaction is in `live` from its beginning to the end of `commit` or `rollback`, and in `pending` from its first unit
 * to its last. Recovery asks both before it concludes anything of a branch, and asks them at the time it acts.
 */
export class CoordinatorCore {
  readonly side: QueueSide;
  readonly io: Io;
  readonly logger: Logger;
  readonly records: CoordinatorRecords;
  readonly live = new Roster<TransactionAtHand>();
  readonly pending = new Roster<PendingTransaction>();
  readonly resources = new Map<string, UsedResource>();
  readonly follow: FollowUp;
  readonly #stopping = new AbortController();
  readonly #givingUp = new AbortController();
  readonly #background = new Roster<Promise<void>>();

  constructor(options: CoreOptions) {
    this.side = options.side;
    this.io = options.io;
    this.logger = options.logger;
    this.records = options.records;
    this.follow = options.follow;
    for (const record of options.side.found) this.#foundAtOpen(record);
  }

  pendingOf(id: string): PendingTransaction | undefined {
    return this.pending.find((pending) => pending.id === id);
  }

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Aborted when the stop's time is over: nothing is asked of a database any more, nor waited for. */
  get givenUp(): AbortSignal {
    return this.#givingUp.signal;
  }

  giveUp(reason: Error): void {
    this.#givingUp.abort(reason);
  }

  /** A signal that is aborted after `timeoutMs`, with `givenUp`, and when the coordinator stops. `end` ends its timer. */
  waitAtMost({ timeoutMs, tooLate, givenUp }: BoundedWait): { readonly signal: AbortSignal; end(): void } {
    const time = new AbortController();
    const timer = this.io.timers.after(timeoutMs, () => time.abort(tooLate), { keepsProcessAlive: true });
    const signals = [time.signal, this.#stopping.signal, ...(givenUp === undefined ? [] : [givenUp])];
    return { signal: AbortSignal.any(signals), end: () => timer.cancel() };
  }

  /** For what nobody waits for but `stop`; it never rejects. */
  inBackground(work: Promise<void>): void {
    this.#background.add(work);
    void work.then(() => this.#background.remove(work));
  }

  async whenBackgroundDone(): Promise<void> {
    await Promise.all(this.#background.all());
  }

  resourceOf(manager: ResourceManager): UsedResource | undefined {
    const known = this.resources.get(manager.name);
    return known?.manager === manager ? known : undefined;
  }

  /** True while something in doubt in that database is told by its marker row alone. */
  needsMarkers(resource: string): boolean {
    for (const row of this.records.abortRows.values()) if (row.resource === resource) return true;
    return this.pending.all().some((pending) => pending.state.current === 'inDoubt' && pending.uses(resource));
  }

  /** Resolves after `delayMs`, or when `signal` is aborted. */
  pause(delayMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (signal.aborted) return Promise.resolve();
    const timer = this.io.timers.after(delayMs, resolve, { keepsProcessAlive: true });
    const stopped = (): void => {
      timer.cancel();
      resolve();
    };
    signal.addEventListener('abort', stopped, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', stopped));
  }

  #foundAtOpen(record: TransactionRecord): void {
    const { side } = this;
    const pending = new PendingTransaction({
      record,
      work: SteppedWork.continue(side.store, () => side.rebuild(record)),
      state: new StateOfTransaction(record.state === 'staged' ? 'inDoubt' : 'decided'),
      owner: 'recovery',
      settled: () => undefined,
      over: this.over,
    });
    if (pending.branches.some(({ heuristic }) => heuristic !== undefined)) pending.state.move('heuristic');
    this.pending.add(pending);
  }

  /** What the last unit of a transaction leaves to be done in its database. */
  readonly over = (pending: PendingTransaction, last: SecondUnit): void => {
    this.pending.remove(pending);
    const [branch] = pending.branches;
    if (last.kind === 'apply' && branch !== undefined) this.follow.markerApplied(branch.resource, pending.id);
    if (last.kind === 'discard' && last.abortRow !== undefined) this.follow.abortRowNoted(last.abortRow);
  };
}

interface BoundedWait {
  readonly timeoutMs: number;
  /** The signal's reason when the time is over. */
  readonly tooLate: Error;
  readonly givenUp: AbortSignal | undefined;
}

/** What happens after a transaction's own work, out of its way. */
export interface FollowUp {
  /** Recovery looks at these databases as soon as it can. */
  lookAt(resources: readonly string[]): void;
  /** A branch without a decision that may be, or become, prepared. */
  watch(resource: string, branch: WatchedBranch): void;
  /** Its marker row is not needed any more. */
  markerApplied(resource: string, transaction: string): void;
  /** An abort row stands in that database, durably noted. */
  abortRowNoted(row: AbortRowRecord): void;
  /** A second unit was refused by the store and is to be tried again. */
  unitDue(): void;
}

export interface CoreOptions {
  readonly side: QueueSide;
  readonly io: Io;
  readonly logger: Logger;
  readonly records: CoordinatorRecords;
  readonly follow: FollowUp;
}
