import { failpoint } from '../io/failpoint.ts';
import type { Io, Timer } from '../io/io.ts';
import { asError } from './as-error.ts';
import { MARKER_BATCH, MARKER_PAUSE_MS, MARKERS_KEPT_MAX, PENDING_PERIOD_MS } from './limits.ts';
import type { ResourceRecovery } from './resource-manager.ts';

/**
 * Deletes marker rows of one database that nothing asks for any more: their APPLY is durable.
 *
 * In batches, a moment after the first; one request at a time; no timer while there are none. What is beyond the bound, and
 * what a process that ends leaves, is deleted after the next start.
 */
export class MarkerCleaner {
  readonly #recovery: ResourceRecovery;
  readonly #io: Io;
  readonly #noteFailure: (error: Error) => void;
  #waiting: string[] = [];
  #timer: Timer | undefined;
  #deleting: Promise<void> | undefined;

  constructor(recovery: ResourceRecovery, io: Io, noteFailure: (error: Error) => void) {
    this.#recovery = recovery;
    this.#io = io;
    this.#noteFailure = noteFailure;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  add(transaction: string): void {
    if (this.#waiting.length < MARKERS_KEPT_MAX) this.#waiting.push(transaction);
    this.#arm(MARKER_PAUSE_MS);
  }

  /** Deletes what waits now, and arms nothing more. */
  async stop(): Promise<void> {
    await this.#deleting;
    this.#disarm();
    await this.#deleteBatches();
    this.#disarm();
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(delayMs: number): void {
    if (this.#deleting !== undefined) return;
    this.#timer ??= this.#io.timers.after(delayMs, () => {
      this.#timer = undefined;
      this.#deleting = this.#deleteBatches().finally(() => {
        this.#deleting = undefined;
      });
    });
  }

  async #deleteBatches(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MARKER_BATCH);
      try {
        failpoint('transaction.before-marker-deleted');
        await this.#recovery.deleteMarkers(batch);
        failpoint('transaction.after-marker-deleted');
      } catch (error) {
        this.#waiting = [...batch, ...this.#waiting].slice(0, MARKERS_KEPT_MAX);
        this.#noteFailure(asError(error));
        // A timer of its own: `#arm` waits for the deletion that has just failed.
        this.#timer ??= this.#io.timers.after(PENDING_PERIOD_MS, () => {
          this.#timer = undefined;
          this.#arm(0);
        });
        return;
      }
    }
  }
}
