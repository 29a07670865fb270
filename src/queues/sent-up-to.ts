import type { Operation } from '../store/store.ts';
import type { Outcome, UnitOfWork } from '../transactions/unit-of-work.ts';
import { SENT_UP_TO_PREFIX } from './pins.ts';

/** How far the messages of one outgoing queue may have been sent, as the disk knows it. */
export class SentUpTo {
  readonly #key: string;
  #position: number;

  constructor(queue: string, position: number) {
    this.#key = SENT_UP_TO_PREFIX + queue;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  /** Known here when `work` has committed, and not before. */
  set(position: number, work: UnitOfWork): void {
    work.enlist({
      contribute: (operations: Operation[]) => {
        operations.push({ kind: 'setState', key: this.#key, value: String(position) });
      },
      ended: (outcome: Outcome) => {
        if (outcome === 'committed') this.#position = position;
      },
    });
  }
}
