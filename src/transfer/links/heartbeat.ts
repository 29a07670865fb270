import type { Clock, Timer, Timers } from '../../io/io.ts';
import {
  ASK_AFTER_MS_EXPECTING,
  ASK_AFTER_MS_IDLE,
  DEAD_AFTER_ASKING_MS_EXPECTING,
  DEAD_AFTER_ASKING_MS_IDLE,
  HELD_UP_MS,
  SILENT_AFTER_ASKING_MS,
  SPEAK_EVERY_MS,
} from './limits.ts';

/**
 * Tells a peer that is gone from one that has nothing to say.
 *
 *     calm ──quiet 2 s (5 s idle)──▶ asked ──2 s──▶ told silent ──6 s (10 s idle) after asking──▶ dead
 *      ▲──────────────── any bytes ────┘───────────────┘
 *     held (this end does not read) ──▶ calm
 *
 * What silence means, and what it does not
 * - Any bytes are a sign of life, also the middle of a large frame: a slow peer is not a dead one.
 * - An end that does not read cannot hear, so while held it judges nobody; afterwards the silence counts from zero. So that
 *   the other end does not take it for dead either, it speaks by itself every 1.5 s: an answer that nobody asked for.
 * - An end that is in the middle of a frame of the other side speaks as often: the question of the other end may lie behind
 *   megabytes on a slow line.
 * - When a timer comes late, this process was held up itself and bytes may lie unread in the socket: the time it was late
 *   does not count, and a second more is given to read them.
 * - Answers come from the event loop, not from the store: a disk that stands still silences nobody.
 */
export class Heartbeat {
  readonly #actions: HeartbeatActions;
  readonly #clock: Clock;
  readonly #timers: Timers;
  #quietSinceMs: number;
  #askedMs: number | undefined;
  #isSilentTold = false;
  #isExpecting = false;
  #isHeld = false;
  #spokenMs: number;
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(options: { readonly clock: Clock; readonly timers: Timers; readonly actions: HeartbeatActions }) {
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#actions = options.actions;
    this.#quietSinceMs = this.#clock.monotonicNowMs();
    this.#spokenMs = this.#quietSinceMs;
    this.#arm();
  }

  get isExpecting(): boolean {
    return this.#isExpecting;
  }

  set isExpecting(isExpecting: boolean) {
    if (this.#isExpecting === isExpecting) return;
    this.#isExpecting = isExpecting;
    if (isExpecting) this.#arm();
  }

  set isHeld(isHeld: boolean) {
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    if (!isHeld) this.#calm(this.#clock.monotonicNowMs());
    this.#arm();
  }

  /** Bytes came in; `isWithinFrame` when they ended in the middle of a frame. */
  heard(nowMs: number, isWithinFrame: boolean): void {
    this.#calm(nowMs);
    if (isWithinFrame && nowMs - this.#spokenMs >= SPEAK_EVERY_MS) this.#speak(nowMs);
  }

  /** This end sent something. */
  spoke(): void {
    this.#spokenMs = this.#clock.monotonicNowMs();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #calm(nowMs: number): void {
    this.#quietSinceMs = nowMs;
    this.#askedMs = undefined;
    this.#isSilentTold = false;
  }

  #speak(nowMs: number): void {
    this.#spokenMs = nowMs;
    this.#actions.speak();
  }

  #run(): void {
    const nowMs = this.#clock.monotonicNowMs();
    const lateMs = nowMs - this.#timerDueMs;
    this.#timer = undefined;
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    if (lateMs > HELD_UP_MS) this.#excuse(lateMs + HELD_UP_MS);
    if (nowMs >= this.#dueMs()) this.#act(nowMs);
    this.#arm();
  }

  #excuse(forMs: number): void {
    this.#quietSinceMs += forMs;
    if (this.#askedMs !== undefined) this.#askedMs += forMs;
  }

  #act(nowMs: number): void {
    if (this.#isHeld) {
      this.#speak(nowMs);
    } else if (this.#askedMs === undefined) {
      this.#askedMs = nowMs;
      this.#spokenMs = nowMs;
      this.#actions.ask();
    } else if (nowMs >= this.#deadMs(this.#askedMs)) {
      this.stop();
      this.#actions.dead(nowMs - this.#quietSinceMs);
    } else {
      this.#isSilentTold = true;
      this.#actions.silent();
    }
  }

  #dueMs(): number {
    if (this.#isHeld) return this.#spokenMs + SPEAK_EVERY_MS;
    if (this.#askedMs === undefined) {
      return this.#quietSinceMs + (this.#isExpecting ? ASK_AFTER_MS_EXPECTING : ASK_AFTER_MS_IDLE);
    }
    const deadMs = this.#deadMs(this.#askedMs);
    return this.#isSilentTold ? deadMs : Math.min(deadMs, this.#askedMs + SILENT_AFTER_ASKING_MS);
  }

  #deadMs(askedMs: number): number {
    return askedMs + (this.#isExpecting ? DEAD_AFTER_ASKING_MS_EXPECTING : DEAD_AFTER_ASKING_MS_IDLE);
  }

  /** One timer, which may come too early and looks again: bytes come too often to move it each time. */
  #arm(): void {
    if (this.#isStopped) return;
    const nowMs = this.#clock.monotonicNowMs();
    const dueMs = Math.max(nowMs, this.#dueMs());
    if (this.#timerDueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#timers.after(dueMs - nowMs, () => this.#run());
  }
}

export interface HeartbeatActions {
  /** Asks the peer for a sign of life. */
  ask(): void;
  /** Gives one without having been asked. */
  speak(): void;
  /** The first one that was asked for stays out. */
  silent(): void;
  /** Once; nothing follows. */
  dead(quietMs: number): void;
}
