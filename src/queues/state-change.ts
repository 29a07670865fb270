import type { Operation } from '../store/store.ts';
import type { DescribedPart, Participant } from '../transactions/unit-of-work.ts';

/** Key-value state that is written, or with `undefined` deleted, together with a unit of work. */
export class StateChange implements Participant {
  readonly #key: string;
  readonly #value: string | undefined;

  constructor(key: string, value: string | undefined) {
    this.#key = key;
    this.#value = value;
  }

  describe(): DescribedPart {
    return { kind: 'state', key: this.#key, ...(this.#value !== undefined && { value: this.#value }) };
  }

  contribute(operations: Operation[]): void {
    operations.push(
      this.#value === undefined
        ? { kind: 'deleteState', key: this.#key }
        : { kind: 'setState', key: this.#key, value: this.#value },
    );
  }

  ended(): void {
    // State is read from the store; nothing of it is kept in memory here.
  }
}
