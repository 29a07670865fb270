import type { Timer, Timers } from '../io/io.ts';
import { nodeIo } from '../io/node-io.ts';
import type { SimulatedClock } from './simulated-clock.ts';

/**
 * Timers that run when the simulated clock has reached them, earliest first, and of those at one time the first armed first.
 *
 * Nothing runs by itself: move the clock, then call `runDue`. `soon` is the real event loop's next turn, because what it
 * waits for (promise reactions) is real too.
 */
export class SimulatedTimers implements Timers {
  readonly #clock: SimulatedClock;
  /** A binary heap: the children of index n are at 2n + 1 and 2n + 2. */
  readonly #heap: Armed[] = [];
  #order = 0;
  #cancelledCount = 0;

  constructor(clock: SimulatedClock) {
    this.#clock = clock;
  }

  /** Timers that will run when their time comes. */
  get armedCount(): number {
    return this.#heap.length - this.#cancelledCount;
  }

  /** Monotonic time of the earliest armed timer. */
  get nextDueMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.dueMs;
  }

  after(delayMs: number, action: () => void): Timer {
    const armed: Armed = {
      dueMs: this.#clock.monotonicNowMs() + Math.max(0, delayMs),
      order: this.#order++,
      action,
      isOver: false,
    };
    this.#push(armed);
    return {
      cancel: () => {
        if (armed.isOver) return;
        armed.isOver = true;
        this.#cancelledCount++;
        if (this.#cancelledCount > CANCELLED_KEPT_MIN && this.#cancelledCount > this.#heap.length / 2) this.#compact();
      },
    };
  }

  soon(action: () => void): void {
    nodeIo().timers.soon(action);
  }

  /** Runs every timer whose time has come, those included that these arm for now; returns their number. */
  runDue(): number {
    let ranCount = 0;
    for (
      let dueMs = this.nextDueMs;
      dueMs !== undefined && dueMs <= this.#clock.monotonicNowMs();
      dueMs = this.nextDueMs
    ) {
      const armed = this.#pop();
      if (armed === undefined) break;
      armed.isOver = true;
      ranCount++;
      armed.action();
    }
    return ranCount;
  }

  /** Forgets every timer, as the death of a process does. */
  clear(): void {
    for (const armed of this.#heap) armed.isOver = true;
    this.#heap.length = 0;
    this.#cancelledCount = 0;
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.isOver === true) {
      this.#pop();
      this.#cancelledCount--;
    }
  }

  /** Throws the cancelled ones out: most timers are cancelled long before their time. */
  #compact(): void {
    const kept = this.#heap.filter(({ isOver }) => !isOver);
    this.#heap.length = 0;
    this.#cancelledCount = 0;
    for (const armed of kept) this.#push(armed);
  }

  #push(armed: Armed): void {
    let index = this.#heap.push(armed) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #pop(): Armed | undefined {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (last === undefined || top === undefined || last === top) return top;
    this.#heap[0] = last;
    for (let index = 0; ; ) {
      let earliest = index;
      for (const child of [2 * index + 1, 2 * index + 2]) if (this.#isBefore(child, earliest)) earliest = child;
      if (earliest === index) return top;
      this.#swap(index, earliest);
      index = earliest;
    }
  }

  #isBefore(left: number, right: number): boolean {
    const one = this.#heap[left];
    const other = this.#heap[right];
    if (one === undefined || other === undefined) return false;
    return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
  }

  #swap(left: number, right: number): void {
    const one = this.#heap[left];
    const other = this.#heap[right];
    if (one === undefined || other === undefined) return;
    this.#heap[left] = other;
    this.#heap[right] = one;
  }
}

const CANCELLED_KEPT_MIN = 256;

interface Armed {
  readonly dueMs: number;
  readonly order: number;
  readonly action: () => void;
  /** It ran or was cancelled. */
  isOver: boolean;
}
