import type { Io, Timer } from '../io/io.ts';
import { Roster } from '../io/roster.ts';

/**
 * Finds what runs longer than the transaction timeout, with one timer for all.
 *
 * Invariants
 * - All have the same timeout, so the one that was added first is due first.
 * - The timer is armed for the one that is due first whenever there is one; one that ends early leaves it armed,
 *   so a busy endpoint arms about one timer per timeout and not one per message.
 */
export class TimeoutReaper<Attempt extends { readonly startedAtMs: number }> {
  readonly #io: Io;
  readonly #timeoutMs: number;
  readonly #onTimeout: (attempt: Attempt) => void;
  /** In the order in which they began. */
  readonly #running = new Roster<Attempt>();
  #timer: Timer | undefined;

  constructor(io: Io, timeoutMs: number, onTimeout: (attempt: Attempt) => void) {
    this.#io = io;
    this.#timeoutMs = timeoutMs;
    this.#onTimeout = onTimeout;
  }

  watch(attempt: Attempt): void {
    this.#running.add(attempt);
    if (this.#timer === undefined) this.#arm(this.#timeoutMs);
  }

  unwatch(attempt: Attempt): void {
    this.#running.remove(attempt);
  }

  /** Those that run now. */
  running(): readonly Attempt[] {
    return this.#running.all();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(delayMs: number): void {
    this.#timer = this.#io.timers.after(delayMs, () => this.#reap());
  }

  #reap(): void {
    this.#timer = undefined;
    const nowMs = this.#io.clock.monotonicNowMs();
    for (let attempt = this.#running.first; attempt !== undefined; attempt = this.#running.first) {
      const remainingMs = attempt.startedAtMs + this.#timeoutMs - nowMs;
      if (remainingMs > 0) {
        this.#arm(remainingMs);
        return;
      }
      this.#running.remove(attempt);
      this.#onTimeout(attempt);
    }
  }
}
