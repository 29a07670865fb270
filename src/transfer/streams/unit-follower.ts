import type { Timer, Timers } from '../../io/io.ts';
import { isOutcomeUnknown } from '../../transactions/outcome-unknown.ts';

/**
 * Follows the units of work of one stream: what to do when they have committed, and when to try again after one that has not.
 *
 *     well ──a unit failed──▶ troubled ──its time, or the store is ready──▶ well, and tries again
 *       │                        └──giveUp()──▶ (nothing is tried any more)
 *       └──outcome unknown──▶ hopeless: what is on the disk decides, when the process has started again
 */
export class UnitFollower {
  readonly #host: UnitHost;
  #trouble: string | undefined;
  #retry: Timer | undefined;
  #isHopeless = false;
  #hasGivenUp = false;
  #failures = 0;

  constructor(host: UnitHost) {
    this.#host = host;
  }

  /** Why nothing can be written now. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  get isHopeless(): boolean {
    return this.#isHopeless;
  }

  /** `undo` runs when the unit is proved not to be there. */
  follow(unit: Promise<void>, committed: () => void = () => {}, undo: () => void = () => {}): void {
    unit
      .then(() => {
        this.#failures = 0;
        committed();
        this.#host.goOn();
      })
      .catch((error: unknown) => {
        if (!isOutcomeUnknown(error)) undo();
        this.failed(error);
      });
  }

  failed(error: unknown): void {
    this.#trouble = error instanceof Error ? error.message : String(error);
    this.#retry?.cancel();
    this.#isHopeless ||= isOutcomeUnknown(error);
    if (!this.#isHopeless && !this.#hasGivenUp) {
      const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures++);
      this.#retry = this.#host.timers.after(delayMs, () => this.retryNow());
    }
    this.#host.failed(error, this.#trouble);
  }

  retryNow(): void {
    if (this.#trouble === undefined || this.#isHopeless || this.#hasGivenUp) return;
    this.#retry?.cancel();
    this.#trouble = undefined;
    this.#host.goOn();
  }

  giveUp(): void {
    this.#hasGivenUp = true;
    this.#retry?.cancel();
  }
}

export interface UnitHost {
  readonly timers: Timers;
  /** A unit has committed, or it is time to try again. */
  goOn(): void;
  failed(error: unknown, text: string): void;
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;
