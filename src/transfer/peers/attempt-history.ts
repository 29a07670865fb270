import type { AttemptRecord, OutgoingStatus } from '../outgoing-status.ts';

/** What became of the attempts to reach one machine: the latest in full, all of them counted. */
export class AttemptHistory {
  readonly #latest: AttemptRecord[] = [];
  readonly #counts = new Map<AttemptRecord['outcome'], number>();

  add(record: AttemptRecord): void {
    this.#latest.unshift(record);
    this.#latest.length = Math.min(this.#latest.length, KEPT_MAX);
    this.#counts.set(record.outcome, (this.#counts.get(record.outcome) ?? 0) + 1);
  }

  /** Latest first. */
  get latest(): readonly AttemptRecord[] {
    return [...this.#latest];
  }

  get counts(): OutgoingStatus['attemptCounts'] {
    return Object.fromEntries(this.#counts);
  }
}

const KEPT_MAX = 20;
