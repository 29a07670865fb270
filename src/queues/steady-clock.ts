import type { Clock } from '../io/io.ts';

/**
 * Time for deadlines: begins near Unix time, and never jumps with the wall clock (fault 80, G-T12).
 *
 * While the process runs it advances with the monotonic clock alone. From one process to the next of the same boot, the
 * monotonic clock bridges the gap exactly. Over a reboot only the wall clock can: a gap backwards counts as none.
 * So a wall clock set forward by a day expires nothing and hurries no retry, and one set back delays nothing.
 */
export class SteadyClock {
  readonly #clock: Clock;
  readonly #offsetMs: number;

  constructor(clock: Clock, saved?: SavedClock) {
    this.#clock = clock;
    this.#offsetMs = startOf(clock, saved) - clock.monotonicNowMs();
  }

  nowMs(): number {
    return Math.floor(this.#clock.monotonicNowMs() + this.#offsetMs);
  }

  /** When a time of this clock comes, by the wall clock as it stands now: to be shown, never to be waited for. */
  wallMsOf(steadyMs: number): number {
    return this.#clock.wallNowMs() + steadyMs - this.nowMs();
  }

  /** What the next process needs to go on. */
  save(): SavedClock {
    return {
      steadyMs: this.nowMs(),
      wallMs: this.#clock.wallNowMs(),
      monotonicMs: this.#clock.monotonicNowMs(),
      bootId: this.#clock.bootId ?? null,
    };
  }
}

/** Kept as JSON under the state key `clock`. `bootId` null: the machine cannot name its boot. */
export interface SavedClock {
  readonly steadyMs: number;
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly bootId: string | null;
}

function startOf(clock: Clock, saved: SavedClock | undefined): number {
  if (saved === undefined) return clock.wallNowMs();
  const sameBoot =
    saved.bootId !== null && saved.bootId === clock.bootId && clock.monotonicNowMs() >= saved.monotonicMs;
  const passedMs = sameBoot
    ? clock.monotonicNowMs() - saved.monotonicMs
    : Math.max(0, clock.wallNowMs() - saved.wallMs);
  return saved.steadyMs + passedMs;
}
