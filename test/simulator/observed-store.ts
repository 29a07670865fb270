import type { DirectStore } from '../../src/store/direct-store.ts';
import { OutcomeUnknown, StoreFailed, StoreFull, StoreSyncFailed } from '../../src/store/errors.ts';
import type {
  MessagePage,
  MessageRange,
  StatePage,
  StateRange,
  Store,
  StoreCondition,
  StoredMessage,
  StoreOpened,
  Unit,
} from '../../src/store/store.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { type ObservedUnit, observe } from './store-history.ts';

/**
 * The production store of a process, watched and made to fail.
 *
 * Every unit is told to `applied` when it has become durable: when it was answered, or, for units that were on their way
 * when the process died, when `survivors` finds them on the disk. Its promise is the inner store's own (S5).
 *
 * A failing sync behaves as S6 says: all answers wait while the store recovers; then what was on its way is either all
 * there, or all refused with STORE_SYNC_FAILED, or nobody knows and the store has failed.
 */
export class ObservedStore implements Store {
  readonly #inner: DirectStore;
  readonly #process: SimulatedProcess;
  readonly #applied: (unit: ObservedUnit) => void;
  readonly #listeners: ((condition: StoreCondition) => void)[] = [];
  #serial: number;
  #onTheWay: { readonly serial: number; readonly unit: ObservedUnit }[] = [];
  #condition: StoreCondition | undefined;
  #recovery: Recovery | undefined;

  constructor(
    inner: DirectStore,
    options: {
      readonly process: SimulatedProcess;
      readonly serialAtOpen: number;
      readonly applied: (unit: ObservedUnit) => void;
    },
  ) {
    this.#inner = inner;
    this.#process = options.process;
    this.#serial = options.serialAtOpen;
    this.#applied = options.applied;
    inner.onCondition((condition) => {
      if (this.#condition === undefined) this.#tell(condition);
    });
  }

  get opened(): StoreOpened {
    return this.#inner.opened;
  }

  get condition(): StoreCondition {
    return this.#condition ?? this.#inner.condition;
  }

  onCondition(listener: (condition: StoreCondition) => void): void {
    this.#listeners.push(listener);
  }

  admission(): Promise<void> | undefined {
    return this.#inner.admission();
  }

  commit(unit: Unit): Promise<void> {
    if (this.#condition?.state === 'failed') return Promise.reject(new StoreFailed(this.#condition.cause.message));
    if (this.#condition?.state === 'full' && !shrinks(unit)) return this.#refuseLater(new StoreFull(0));
    if (this.#recovery !== undefined) return this.#recovery.hold(unit);
    return this.#handOver(unit);
  }

  readMessages(range: MessageRange): Promise<MessagePage> {
    return this.#afterRecovery(() => this.#inner.readMessages(range));
  }

  readDue(upToMs: number, countMax: number): Promise<readonly StoredMessage[]> {
    return this.#afterRecovery(() => this.#inner.readDue(upToMs, countMax));
  }

  nextDeadline(afterMs: number): Promise<number | undefined> {
    return this.#afterRecovery(() => this.#inner.nextDeadline(afterMs));
  }

  readState(range: StateRange): Promise<StatePage> {
    return this.#afterRecovery(() => this.#inner.readState(range));
  }

  close(): Promise<void> {
    return this.#afterRecovery(() => this.#inner.close());
  }

  /** Units that were on their way when the process died, of which those up to `serialOnDisk` are there. */
  survivors(serialOnDisk: number): readonly ObservedUnit[] {
    return this.#onTheWay.filter(({ serial }) => serial <= serialOnDisk).map(({ unit }) => unit);
  }

  setFull(isFull: boolean): void {
    if (this.#recovery !== undefined || this.#condition?.state === 'failed') return;
    if (isFull) this.#become({ state: 'full', freeBytes: 0 });
    else if (this.#condition?.state === 'full') this.#become(undefined);
  }

  /** The next sync fails; the store recovers after `forMs`. */
  failSync(outcome: SyncOutcome, forMs: number): void {
    if (this.#recovery !== undefined || this.#condition !== undefined) return;
    const recovery = new Recovery();
    this.#recovery = recovery;
    this.#become({ state: 'recovering', cause: new StoreSyncFailed('a failure of the simulation') });
    // What comes in the first moments was on its way to that sync; what comes later waits for the store to be reopened.
    this.#process.io.timers.after(SYNC_WINDOW_MS, () => recovery.closeGroup());
    this.#process.io.timers.after(Math.max(forMs, SYNC_WINDOW_MS + 1), () => this.#endRecovery(recovery, outcome));
  }

  #endRecovery(recovery: Recovery, outcome: SyncOutcome): void {
    const cause = new OutcomeUnknown('a failure of the simulation');
    if (outcome === 'unknown') {
      this.#become({ state: 'failed', cause });
      this.#recovery = undefined;
      for (const { reject } of recovery.group) reject(cause);
      for (const { reject } of recovery.later) reject(new StoreFailed(cause.message));
      recovery.over();
      return;
    }
    this.#recovery = undefined;
    for (const { unit, resolve, reject } of recovery.group) {
      if (outcome === 'lost') reject(new StoreSyncFailed('a failure of the simulation'));
      else this.#handOver(unit).then(resolve, reject);
    }
    for (const { unit, resolve, reject } of recovery.later) this.#handOver(unit).then(resolve, reject);
    this.#become(undefined);
    recovery.over();
  }

  #handOver(unit: Unit): Promise<void> {
    const observed = observe(unit.operations);
    const entry = { serial: ++this.#serial, unit: observed };
    const answer = this.#inner.commit(unit);
    this.#onTheWay.push(entry);
    const leave = (): void => {
      this.#onTheWay = this.#onTheWay.filter((other) => other !== entry);
    };
    answer.then(() => {
      leave();
      this.#applied(observed);
    }, leave);
    return answer;
  }

  #refuseLater(error: Error): Promise<void> {
    return new Promise((_, reject) => {
      this.#process.io.timers.after(0.2, () => reject(error));
    });
  }

  async #afterRecovery<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    while (this.#recovery !== undefined) await this.#recovery.ended;
    return ask();
  }

  /** Undefined: as the inner store is. */
  #become(condition: StoreCondition | undefined): void {
    this.#condition = condition;
    this.#tell(this.condition);
  }

  #tell(condition: StoreCondition): void {
    for (const listener of this.#listeners) listener(condition);
  }
}

/** `there`: everything was written after all. `lost`: nothing of it. `unknown`: the store fails for good. */
export type SyncOutcome = 'there' | 'lost' | 'unknown';

class Recovery {
  readonly group: HeldUnit[] = [];
  readonly later: HeldUnit[] = [];
  readonly ended: Promise<void>;
  readonly over: () => void;
  #isGroupOpen = true;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.over = resolve;
  }

  closeGroup(): void {
    this.#isGroupOpen = false;
  }

  hold(unit: Unit): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    (this.#isGroupOpen ? this.group : this.later).push({ unit: copyOf(unit), resolve, reject });
    return promise;
  }
}

interface HeldUnit {
  readonly unit: Unit;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** `commit` copies bytes before it returns; so must whoever holds a unit back. */
function copyOf(unit: Unit): Unit {
  return {
    operations: unit.operations.map((operation) => {
      if (operation.kind !== 'put') return operation;
      const { headers, body } = operation.message;
      return {
        ...operation,
        message: { headers: typeof headers === 'string' ? headers : headers.slice(), body: body.slice() },
      };
    }),
  };
}

/** As the store judges it, roughly: nothing grows. */
function shrinks(unit: Unit): boolean {
  const kinds = unit.operations.map(({ kind }) => kind);
  if (kinds.includes('createPlace')) return false;
  if (kinds.includes('put')) return false;
  return kinds.includes('remove') || !kinds.includes('setState');
}

const SYNC_WINDOW_MS = 5;
