import type { Io } from '../io/io.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { SimulatedRandom } from './simulated-random.ts';
import { SimulatedTimers } from './simulated-timers.ts';

/** Doors to a world of its own: time stands still until it is moved, and chance repeats. */
export class SimulatedIo implements Io {
  readonly clock: SimulatedClock;
  readonly timers: SimulatedTimers;
  readonly random: SimulatedRandom;

  constructor(options: { readonly seed?: number; readonly wallMs?: number } = {}) {
    this.clock = new SimulatedClock(options.wallMs);
    this.timers = new SimulatedTimers(this.clock);
    this.random = new SimulatedRandom(options.seed ?? 1);
  }
}
