import type { Random } from '../../io/io.ts';

/**
 * How long to wait before the next attempt: 250 ms, then twice as long after each failure; 5 s, then twice as long, when
 * somebody answered and refused. Never longer than 45 s, jitter of ±20 % included (G-T5).
 */
export class Backoff {
  readonly #random: Random;
  #failures = 0;
  #refusals = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** After one more failure. */
  nextDelayMs(isRefusal: boolean): number {
    const step = isRefusal ? this.#refusals++ : this.#failures++;
    const wantedMs = (isRefusal ? FIRST_REFUSED_MS : FIRST_MS) * 2 ** Math.min(step, STEPS_MAX);
    return Math.min(wantedMs, CAP_MS / (1 + JITTER)) * (1 - JITTER + 2 * JITTER * this.#random.fraction());
  }

  reset(): void {
    this.#failures = 0;
    this.#refusals = 0;
  }
}

export const FIRST_MS = 250;
export const FIRST_REFUSED_MS = 5000;
export const CAP_MS = 45_000;
const JITTER = 0.2;
/** Beyond, the cap rules anyway. */
const STEPS_MAX = 16;
