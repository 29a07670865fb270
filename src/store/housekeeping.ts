import type { Timers } from '../io/io.ts';
import type { DiskReserve } from './disk-reserve.ts';
import type { Engine } from './engine.ts';
import { PAGE_BYTES } from './schema.ts';

/**
 * What the store does for itself, after answers and in idle time, in steps of a few milliseconds: copies the write-ahead
 * log into the database, gives the space of drained queues back to the file system, builds the disk reserve.
 *
 * The log is copied when it passes a number of frames that adapts to the disk: a copy that took long makes the next one
 * smaller, because commits wait meanwhile. Nothing runs, and no timer is set, once there is nothing left to do.
 */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #framesLimitMax: number;
  #framesLimit: number;
  #isScheduled = false;
  #isDisturbed = false;
  #isStopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    // What the log holds may have to grow the database file while the disk is full: then the reserve must be enough for it.
    const framesInReserve = Math.floor(options.reserve.reserveBytes / 2 / PAGE_BYTES);
    this.#framesLimitMax = Math.min(FRAMES_LIMIT_MAX, Math.max(FRAMES_LIMIT_MIN, framesInReserve));
    this.#framesLimit = this.#framesLimitMax;
  }

  /** After each group, when its answers are on their way. Throws what SQLite throws. */
  afterGroup(engine: Engine): void {
    const frames = engine.walFrames();
    if (frames > this.#framesLimit) {
      this.#checkpoint(engine);
      // A store that is never idle needs its reserve too.
      this.#buildReserve();
    }
    this.#isDisturbed = true;
    this.#scheduleIdleStep(IDLE_AFTER_MS);
  }

  /** What the log may take on disk while all is well. */
  get logBytesMax(): number {
    return this.#framesLimitMax * PAGE_BYTES;
  }

  stop(): void {
    this.#isStopped = true;
  }

  #checkpoint(engine: Engine): void {
    const startedMs = this.#options.nowMs();
    engine.checkpoint({ truncate: false });
    const tookMs = this.#options.nowMs() - startedMs;
    if (tookMs > CHECKPOINT_MS_MAX) {
      this.#framesLimit = Math.max(FRAMES_LIMIT_MIN, Math.floor(this.#framesLimit * 0.7));
    } else if (tookMs < CHECKPOINT_MS_MAX / 3) {
      this.#framesLimit = Math.min(this.#framesLimitMax, Math.ceil(this.#framesLimit * 1.2));
    }
  }

  #scheduleIdleStep(delayMs: number): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    this.#options.timers.after(delayMs, () => {
      this.#isScheduled = false;
      if (this.#isStopped) return;
      if (this.#isDisturbed) {
        // Groups came meanwhile; look again after as long a silence.
        this.#isDisturbed = false;
        this.#scheduleIdleStep(IDLE_AFTER_MS);
        return;
      }
      const nextDelayMs = this.#options.runGuarded((engine) => this.#idleStep(engine));
      if (nextDelayMs !== undefined) this.#scheduleIdleStep(nextDelayMs);
    });
  }

  /** One step; the delay before the next, or undefined when all is done. */
  #idleStep(engine: Engine): number | undefined {
    if (engine.freePages() > FREE_PAGES_KEPT) {
      engine.vacuum(VACUUM_STEP_PAGES);
      if (engine.walFrames() > this.#framesLimit) this.#checkpoint(engine);
      return STEP_PAUSE_MS;
    }
    if (engine.walFrames() > 0) {
      engine.checkpoint({ truncate: false });
      return STEP_PAUSE_MS;
    }
    return this.#buildReserve();
  }

  /** One piece; the delay before the next, or undefined when it is whole or there is no room for it. */
  #buildReserve(): number | undefined {
    const { reserve } = this.#options;
    if (reserve.isWhole || reserve.freeBytes() < reserve.lowWaterBytes + reserve.missingBytes) return undefined;
    try {
      reserve.buildStep();
      return STEP_PAUSE_MS;
    } catch {
      // No room, no descriptor or a failing disk: the low-water mark protects alone until the next try.
      return RESERVE_RETRY_MS;
    }
  }
}

export interface HousekeepingOptions {
  readonly timers: Timers;
  readonly reserve: DiskReserve;
  nowMs(): number;
  /** Runs a step on the open engine; a failure of the disk is dealt with there and ends the steps. */
  runGuarded(step: (engine: Engine) => number | undefined): number | undefined;
}

const FRAMES_LIMIT_MAX = 1000;
const FRAMES_LIMIT_MIN = 64;
const CHECKPOINT_MS_MAX = 12;
const IDLE_AFTER_MS = 50;
const STEP_PAUSE_MS = 2;
const RESERVE_RETRY_MS = 60_000;
/** Kept for the next messages: giving back and asking again costs more than these 4 MiB. */
const FREE_PAGES_KEPT = 512;
const VACUUM_STEP_PAGES = 128;
