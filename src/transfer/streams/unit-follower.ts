import type { Io, Timer } from '../../io/io.ts';
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
  #trouble: Trouble | undefined;
  #retry: Timer | undefined;
  #isHopeless = false;
  #hasGivenUp = false;
  #failures = 0;

  constructor(host: UnitHost) {
    this.#host = host;
  }

  /** Why nothing can be written now, and when that is tried again. */
  get trouble(): Trouble | undefined {
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
    const text = error instanceof Error ? error.message : String(error);
    this.#retry?.cancel();
    this.#isHopeless ||= isOutcomeUnknown(error);
    this.#trouble = { text, retryAtMs: this.#isHopeless || this.#hasGivenUp ? undefined : this.#planRetry() };
    this.#host.failed(error, text);
  }

  retryNow(): void {
    if (this.#trouble === undefined || this.#isHopeless || this.#hasGivenUp) return;
    this.#retry?.cancel();
    this.#trouble = undefined;
    this.#host.goOn();
  }

  #planRetry(): number {
    const { clock, timers } = this.#host.io;
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures++);
    this.#retry = timers.after(delayMs, () => this.retryNow());
    return clock.monotonicNowMs() + delayMs;
  }

  giveUp(): void {
    this.#hasGivenUp = true;
    this.#retry?.cancel();
  }
}

export interface Trouble {
  readonly text: string;
  /** Monotonic; undefined when only a new start of the process helps. */
  readonly retryAtMs: number | undefined;
}

export interface UnitHost {
  readonly io: Io;
  /** A unit has committed, or it is time to try again. */
  goOn(): void;
  failed(error: unknown, text: string): void;
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;
