import type { Operation } from '../store/store.ts';
import type { Participant, UnitOfWork } from '../transactions/unit-of-work.ts';
import { CLOCK_SAVE_INTERVAL_MS } from './limits.ts';
import { CLOCK_KEY } from './open-state.ts';
import type { SteadyClock } from './steady-clock.ts';

/**
 * Writes the steady clock down: with a unit of work, now and then, and at the close.
 *
 * It writes the time at which the unit is handed over, not the one at which it began; and no record of a transaction keeps
 * it (it has no `describe`), so that a transaction that is finished late never puts the clock back.
 */
export class ClockSaves {
  readonly #clock: SteadyClock;
  #savedMs = 0;

  constructor(clock: SteadyClock) {
    this.#clock = clock;
  }

  joinWhenDue(work: UnitOfWork): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#savedMs < CLOCK_SAVE_INTERVAL_MS) return;
    this.#savedMs = nowMs;
    work.enlist(new ClockSave(this));
  }

  operation(): Operation {
    return { kind: 'setState', key: CLOCK_KEY, value: JSON.stringify(this.#clock.save()) };
  }
}

class ClockSave implements Participant {
  readonly #saves: ClockSaves;

  constructor(saves: ClockSaves) {
    this.#saves = saves;
  }

  contribute(operations: Operation[]): void {
    operations.push(this.#saves.operation());
  }

  ended(): void {
    // The next one is due by the time at which this one joined, whatever became of it.
  }
}
