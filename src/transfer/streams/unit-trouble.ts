import type { Timer, Timers } from '../../io/io.ts';
import { isOutcomeUnknown } from '../../transactions/outcome-unknown.ts';

/**
 * What keeps a stream from writing: the store's last answer, and when to try again.
 *
 *     well ──failed()──▶ troubled ──its time, or the store is ready──▶ well, and tries again
 *       │                   └──giveUp()──▶ (nothing is tried any more)
 *       └──failed(unknown)──▶ hopeless: what is on the disk decides, when the process has started again
 */
export class UnitTrouble {
  readonly #timers: Timers;
  readonly #tryAgain: () => void;
  #text: string | undefined;
  #retry: Timer | undefined;
  #isHopeless = false;
  #failures = 0;

  constructor(timers: Timers, tryAgain: () => void) {
    this.#timers = timers;
    this.#tryAgain = tryAgain;
  }

  get text(): string | undefined {
    return this.#text;
  }

  get isTroubled(): boolean {
    return this.#text !== undefined;
  }

  get isHopeless(): boolean {
    return this.#isHopeless;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(error: unknown): void {
    this.#text = error instanceof Error ? error.message : String(error);
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#isHopeless ||= isOutcomeUnknown(error);
    if (this.#isHopeless) return;
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures++);
    this.#retry = this.#timers.after(delayMs, () => this.retryNow());
  }

  retryNow(): void {
    if (!this.isTroubled || this.#isHopeless) return;
    this.#retry?.cancel();
    this.#text = undefined;
    this.#tryAgain();
  }

  giveUp(): void {
    this.#retry?.cancel();
  }
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;
