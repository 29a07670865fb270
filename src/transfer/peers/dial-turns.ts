import type { Io, Timer } from '../../io/io.ts';

/**
 * Who may dial now: at most 64 dials are under way over all peers, in the order in which they asked.
 *
 * Peers that do not answer must not hold up the others. Those that have not failed lately (`isFresh`) go first, a few turns
 * are kept for them, and when all are taken by dials that have waited for an answer for 1 s, the oldest of these gives way.
 * Each fresh dial is itself one that may fail only once, so nobody gives way for ever.
 */
export class DialTurns {
  readonly #io: Io;
  readonly #inFlightMax: number;
  readonly #fresh = new Set<Turn>();
  readonly #others = new Set<Turn>();
  /** In the order of their starts. */
  readonly #running = new Map<Turn, number>();
  #timer: Timer | undefined;

  constructor(io: Io, inFlightMax = DIALS_IN_FLIGHT_MAX) {
    this.#io = io;
    this.#inFlightMax = inFlightMax;
  }

  get inFlight(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#fresh.size + this.#others.size;
  }

  /** Calls `turn.start` when its turn has come, perhaps now. Whoever asked gives every turn back, once, by `giveBack`. */
  ask(turn: Turn): void {
    (turn.isFresh ? this.#fresh : this.#others).add(turn);
    this.#grant();
  }

  /** The dial is over, or is not wanted any more. */
  giveBack(turn: Turn): void {
    this.#fresh.delete(turn);
    this.#others.delete(turn);
    this.#running.delete(turn);
    this.#grant();
  }

  #grant(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#fresh.delete(next);
      this.#others.delete(next);
      this.#running.set(next, this.#io.clock.monotonicNowMs());
      next.start();
    }
    this.#makeRoom();
  }

  #next(): Turn | undefined {
    const free = this.#inFlightMax - this.#running.size;
    if (free <= 0) return undefined;
    const [fresh] = this.#fresh;
    const [other] = this.#others;
    return fresh ?? (free > FRESH_RESERVE ? other : undefined);
  }

  #makeRoom(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const [oldest] = this.#running;
    if (this.#fresh.size === 0 || oldest === undefined) return;
    const [turn, startedMs] = oldest;
    const leftMs = startedMs + UNDISTURBED_MS - this.#io.clock.monotonicNowMs();
    if (leftMs > 0) this.#timer = this.#io.timers.after(leftMs, () => this.#makeRoom());
    else turn.giveWay();
  }
}

export interface Turn {
  /** Its machine has not failed since it was last reached. */
  readonly isFresh: boolean;
  start(): void;
  /** Others wait: the dial ends as one that had no answer, and gives its turn back. */
  giveWay(): void;
}

export const DIALS_IN_FLIGHT_MAX = 64;
const FRESH_RESERVE = 4;
/** Nobody gives way before: a machine that is there has answered by then. */
export const UNDISTURBED_MS = 1000;
