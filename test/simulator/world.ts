import { SimulatedRandom } from '../../src/testing/simulated-random.ts';
import { Trace } from './trace.ts';

/**
 * One virtual time for everything that happens in a run: the earliest event is taken, run, all promise reactions that
 * follow are drained, then the next one. Nothing real is waited for, so the same seed gives the same run.
 *
 * What `soon` was given runs at the same virtual time, before the next event. An exception that nobody catches, a promise
 * that rejects unheard, and a check that fails end the run: see `failure`.
 */
export class World {
  readonly seed: number;
  readonly random: SimulatedRandom;
  readonly trace: Trace;
  /** Events run, for speed and for bounds. */
  eventCount = 0;
  #nowMs = 0;
  #order = 0;
  /** Events in a row without any time between them. */
  #stillCount = 0;
  readonly #heap: Event[] = [];
  #soon: (() => void)[] = [];
  #failure: SimulationFailure | undefined;

  constructor(options: { readonly seed: number; readonly trace?: Trace | undefined }) {
    this.seed = options.seed;
    this.random = new SimulatedRandom(options.seed);
    this.trace = options.trace ?? new Trace();
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get failure(): SimulationFailure | undefined {
    return this.#failure;
  }

  /** The first failed check stands; the run ends after the event in which it failed. */
  fail(check: string, text: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = { check, text };
    this.note(`FAILED ${check}: ${text}`);
  }

  note(text: string): void {
    this.trace.add(this.#nowMs, text);
  }

  at(delayMs: number, action: () => void): Event {
    // As real timers, which count in whole milliseconds: what comes later really does, whatever rounding left of the delay.
    const laterMs = delayMs > 0 ? Math.max(DELAY_MS_MIN, delayMs) : 0;
    const event: Event = { dueMs: this.#nowMs + laterMs, order: this.#order++, action, isOver: false };
    this.#push(event);
    return event;
  }

  soon(action: () => void): void {
    this.#soon.push(action);
  }

  /** Runs events until `isDone`, or until virtual time has reached `untilMs`; then it is that late. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    await this.#drain();
    while (this.#failure === undefined && !isDone()) {
      const event = this.#pop();
      if (event === undefined || event.dueMs > untilMs) {
        if (event !== undefined) this.#push(event);
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return;
      }
      this.#stillCount = event.dueMs > this.#nowMs ? 0 : this.#stillCount + 1;
      if (this.#stillCount > SOON_TURNS_MAX) this.fail('livelock', `after ${SOON_TURNS_MAX} timers no time has passed`);
      this.#nowMs = Math.max(this.#nowMs, event.dueMs);
      event.isOver = true;
      this.#act(event.action);
      await this.#drain();
    }
  }

  advance(byMs: number): Promise<void> {
    return this.run(this.#nowMs + byMs);
  }

  /** Runs until `promise` has settled, and gives its answer; a run that takes longer fails. */
  async settle<Answer>(what: string, withinMs: number, promise: Promise<Answer>): Promise<Answer | undefined> {
    let answer: { readonly value: Answer } | undefined;
    let error: unknown;
    let isSettled = false;
    promise.then(
      (value) => {
        answer = { value };
        isSettled = true;
      },
      (reason: unknown) => {
        error = reason;
        isSettled = true;
      },
    );
    await this.run(this.#nowMs + withinMs, () => isSettled);
    if (error !== undefined) throw error;
    if (!isSettled) this.fail('liveness', `${what} has not ended after ${withinMs} ms`);
    return answer?.value;
  }

  #act(action: () => void): void {
    this.eventCount++;
    try {
      action();
    } catch (error) {
      this.fail('uncaught exception', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  async #drain(): Promise<void> {
    await nextTurn();
    for (let turns = 0; this.#soon.length > 0; turns++) {
      if (turns > SOON_TURNS_MAX) {
        this.fail('livelock', `after ${SOON_TURNS_MAX} turns of the event loop no time has passed`);
        return;
      }
      const actions = this.#soon;
      this.#soon = [];
      for (const action of actions) {
        this.#act(action);
        await nextTurn();
      }
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): Event | undefined {
    for (let top = this.#take(); top !== undefined; top = this.#take()) if (!top.isOver) return top;
    return undefined;
  }

  #take(): Event | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[index] = heap[child] as Event;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

export interface SimulationFailure {
  /** Which check, in Jepsen's words where they have one: lost, duplicated, reordered, unexpected, … */
  readonly check: string;
  readonly text: string;
}

/** Set `isOver` and it does not run. */
export interface Event {
  readonly dueMs: number;
  readonly order: number;
  readonly action: () => void;
  isOver: boolean;
}

function isBefore(one: Event, other: Event): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}

/** Promise reactions, however long their chain, are all done before the event loop goes on. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const SOON_TURNS_MAX = 50_000;
const DELAY_MS_MIN = 0.001;
