import { failpoint } from '../io/failpoint.ts';
import type { Timer, Timers } from '../io/io.ts';
import type { Store, StoredMessage } from '../store/store.ts';
import { DUE_PAGE_MESSAGES } from './limits.ts';

/**
 * One timer for every deadline of the queue manager: delayed messages that become due and waiting ones that expire.
 *
 *     idle ──a deadline is set──▶ armed ──timer──▶ sweeping ──nothing due is left──▶ armed or idle
 *
 * Nothing polls: the timer is set for the earliest deadline that the store knows, and moved forward when an earlier one
 * is committed. A sweep handles all that is due, in pages; what is locked by a handler is left out, and its receiver or
 * its release deals with it.
 */
export class DeadlineKeeper {
  readonly #store: Store;
  readonly #timers: Timers;
  readonly #nowMs: () => number;
  readonly #handleDue: (messages: readonly StoredMessage[]) => Promise<number>;
  readonly #onFailure: (error: unknown) => void;
  #timer: Timer | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #sweep: Promise<void> | undefined;
  /** The timer fired during a sweep that may have looked too early. */
  #isDueAgain = false;
  /** After a failed sweep: the end of the pause. */
  #notBeforeMs = 0;
  #isStopped = false;

  /**
   * @param handleDue - releases or expires what it can of a page; resolves with the number that left their place
   * @param onFailure - a sweep failed; the keeper tries again after a second
   */
  constructor(options: {
    store: Store;
    timers: Timers;
    nowMs: () => number;
    handleDue: (messages: readonly StoredMessage[]) => Promise<number>;
    onFailure: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#timers = options.timers;
    this.#nowMs = options.nowMs;
    this.#handleDue = options.handleDue;
    this.#onFailure = options.onFailure;
  }

  /** Finds the first deadline; call once at open. */
  start(): void {
    this.#beginSweep();
  }

  /** A message with this deadline was committed. */
  deadlineSet(deadlineMs: number): void {
    if (deadlineMs < this.#armedForMs) this.#arm(deadlineMs);
  }

  /** After this resolves nothing is released or expired any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#sweep;
  }

  #arm(deadlineMs: number): void {
    this.#timer?.cancel();
    this.#armedForMs = deadlineMs;
    if (this.#isStopped) return;
    const atMs = Math.max(deadlineMs, this.#notBeforeMs);
    this.#timer = this.#timers.after(atMs - this.#nowMs(), () => this.#beginSweep());
  }

  #beginSweep(): void {
    this.#armedForMs = Number.POSITIVE_INFINITY;
    this.#isDueAgain = this.#sweep !== undefined;
    if (this.#isDueAgain || this.#isStopped) return;
    this.#sweep = this.#sweepAll()
      .catch((error: unknown) => {
        this.#onFailure(error);
        // What could not be handled was given back and is still due: without a pause this would go round in circles.
        this.#notBeforeMs = this.#nowMs() + RETRY_AFTER_MS;
        this.#isDueAgain = false;
        this.#arm(this.#notBeforeMs);
      })
      .finally(() => {
        this.#sweep = undefined;
        if (this.#isDueAgain) this.#beginSweep();
      });
  }

  async #sweepAll(): Promise<void> {
    let nowMs = this.#nowMs();
    let lockedCount = 0;
    for (let isOver = false; !isOver && !this.#isStopped; ) {
      nowMs = this.#nowMs();
      // What is locked stays due: ask for that many more, so that pages full of them cannot hide the rest.
      const countMax = DUE_PAGE_MESSAGES + lockedCount;
      const due = await this.#store.readDue(nowMs, countMax);
      if (due.length > 0) failpoint('deadlines.before-release');
      const handledCount = due.length === 0 ? 0 : await this.#handleDue(due);
      if (handledCount > 0) failpoint('deadlines.after-release');
      lockedCount = due.length - handledCount;
      isOver = handledCount === 0 && due.length < countMax;
    }
    const next = await this.#store.nextDeadline(nowMs);
    if (next !== undefined) this.deadlineSet(next);
  }
}

const RETRY_AFTER_MS = 1_000;
