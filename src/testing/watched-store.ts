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
} from '../store/store.ts';

/**
 * A store that tells what goes on in it. It hands back the inner store's own promises: one more turn on the way of an
 * answer would change the order in which reads and units are answered (obligation S5).
 */
export class WatchedStore implements Store {
  readonly #inner: Store;
  readonly #watcher: StoreWatcher;
  #onTheWay = 0;
  #activity = 0;

  constructor(inner: Store, watcher: StoreWatcher) {
    this.#inner = inner;
    this.#watcher = watcher;
  }

  /** Units and reads that were handed over and not answered. */
  get onTheWay(): number {
    return this.#onTheWay;
  }

  /** Grows with everything that is asked or answered: when it stands still, so does the store. */
  get activity(): number {
    return this.#activity;
  }

  get opened(): StoreOpened {
    return this.#inner.opened;
  }

  get condition(): StoreCondition {
    return this.#inner.condition;
  }

  onCondition(listener: (condition: StoreCondition) => void): void {
    this.#inner.onCondition(listener);
  }

  admission(): Promise<void> | undefined {
    return this.#inner.admission();
  }

  commit(unit: Unit): Promise<void> {
    return this.#count(this.#watcher.commit(unit, () => this.#inner.commit(unit)));
  }

  readMessages(range: MessageRange): Promise<MessagePage> {
    return this.#count(this.#inner.readMessages(range));
  }

  readDue(upToMs: number, countMax: number): Promise<readonly StoredMessage[]> {
    return this.#count(this.#inner.readDue(upToMs, countMax));
  }

  nextDeadline(afterMs: number): Promise<number | undefined> {
    return this.#count(this.#inner.nextDeadline(afterMs));
  }

  readState(range: StateRange): Promise<StatePage> {
    return this.#count(this.#inner.readState(range));
  }

  close(): Promise<void> {
    return this.#count(this.#inner.close());
  }

  #count<Answer>(answer: Promise<Answer>): Promise<Answer> {
    this.#onTheWay++;
    this.#activity++;
    const answered = (): void => {
      this.#onTheWay--;
      this.#activity++;
    };
    answer.then(answered, answered);
    return answer;
  }
}

export interface StoreWatcher {
  /** Before anybody else reads from it. */
  opened(store: Store): Promise<void>;
  /** Hands the unit over by calling `commit`, or answers in its place. Returns that very promise where it can. */
  commit(unit: Unit, commit: () => Promise<void>): Promise<void>;
}
