import { nodeIo } from '../io/node-io.ts';
import { countOf } from '../message/wording.ts';
import type { BusLife } from './bus-life.ts';
import { BusNotQuiet } from './errors.ts';
import type { TestMachine } from './test-machine.ts';

/**
 * Resolves when nothing runs, nothing is ready and no unit is on the way; rejects with what is still busy.
 *
 * Time stands still meanwhile, but for pauses that hold up what is ready (a rate limit, a retry after the store refused),
 * and with `throughDelays` for everything that is delayed.
 *
 * @throws {BusNotQuiet} by a real clock, `limitMs` are over
 */
export async function waitForQuiet(machine: TestMachine, options: WaitForQuietOptions): Promise<void> {
  const { clock } = nodeIo();
  const startedMs = clock.monotonicNowMs();
  for (let stillSinceMs: number | undefined; ; ) {
    const activity = machine.activity;
    await options.restarted();
    const isStill = await machine.trySettle(options.limitMs - (clock.monotonicNowMs() - startedMs));
    const life = options.life();
    if (life === undefined) continue;
    const { handlersActive, isHeldUp, delayed, texts } = life.restlessness();
    const nowMs = clock.monotonicNowMs();
    const isWaitingForDelays = options.throughDelays && delayed > 0;
    if (isStill && handlersActive === 0 && !isHeldUp && !isWaitingForDelays) return;
    if (nowMs - startedMs > options.limitMs) {
      throw new BusNotQuiet(
        isWaitingForDelays ? [...texts, countOf(delayed, 'message is delayed', 'messages are delayed')] : texts,
        nowMs - startedMs,
      );
    }
    if (handlersActive > 0 || machine.activity !== activity) stillSinceMs = undefined;
    else stillSinceMs ??= nowMs;
    if (handlersActive === 0 && !isHeldUp) await advanceToNextTimer(machine, Number.POSITIVE_INFINITY);
    else if (stillSinceMs !== undefined && nowMs - stillSinceMs >= STILL_MS)
      await advanceToNextTimer(machine, PAUSE_MS_MAX);
    await realPause();
  }
}

export interface WaitForQuietOptions {
  /** Undefined while the bus is being started again after a crash. */
  readonly life: () => BusLife | undefined;
  /** Resolves when it has been. */
  readonly restarted: () => Promise<void>;
  readonly throughDelays: boolean;
  readonly limitMs: number;
}

async function advanceToNextTimer(machine: TestMachine, withinMs: number): Promise<void> {
  const { clock, timers } = machine.io;
  const remainingMs = (timers.nextDueMs ?? Number.POSITIVE_INFINITY) - clock.monotonicNowMs();
  if (remainingMs <= withinMs && remainingMs < Number.POSITIVE_INFINITY)
    await machine.advance(Math.max(0, remainingMs));
}

/**
 * What is held up and does not move for this long by a real clock waits for a timer, and not for something real as a
 * behavior that reads a file.
 */
const STILL_MS = 5;
/** Longer than every pause, shorter than every timeout: waiting must not time out what is at work. */
const PAUSE_MS_MAX = 60_000;

/** Handlers that wait for something real need the event loop, and not all of a core. */
function realPause(): Promise<void> {
  return new Promise((resolve) => nodeIo().timers.after(1, resolve, { keepsProcessAlive: true }));
}
