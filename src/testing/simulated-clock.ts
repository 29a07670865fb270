import type { Clock } from '../io/io.ts';

/**
 * A clock that stands still until it is told to move. Wall time and monotonic time advance together, and only wall time
 * can jump, as on a machine whose clock somebody sets.
 */
export class SimulatedClock implements Clock {
  #wallMs: number;
  #monotonicMs = MONOTONIC_START_MS;
  #boots = 1;

  /** @param wallMs - Unix time to begin at; default 2030-01-01T00:00:00Z, so that no test depends on today */
  constructor(wallMs: number = WALL_START_MS) {
    this.#wallMs = wallMs;
  }

  get bootId(): string {
    return `simulated-boot-${this.#boots}`;
  }

  wallNowMs(): number {
    return this.#wallMs;
  }

  monotonicNowMs(): number {
    return this.#monotonicMs;
  }

  /** Lets time pass. Timers do not run by it: see `SimulatedTimers.runDue`. */
  advance(byMs: number): void {
    this.#wallMs += byMs;
    this.#monotonicMs += byMs;
  }

  /** Sets the wall clock forward, or with a negative number back. No time passes. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** The machine is off for `downMs` and boots: monotonic time begins anew. */
  reboot(downMs: number): void {
    this.#wallMs += downMs;
    this.#monotonicMs = MONOTONIC_START_MS;
    this.#boots++;
  }
}

const WALL_START_MS = Date.UTC(2030, 0, 1);
/** Not 0, so that a caller who takes monotonic time for time since its own start is found out. */
const MONOTONIC_START_MS = 50_000;
