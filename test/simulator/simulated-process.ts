import type { Clock, Io } from '../../src/io/io.ts';
import { SimulatedRandom } from '../../src/testing/simulated-random.ts';
import type { World } from './world.ts';

/**
 * A process in the world: everything that comes to it (timers, bytes, answers) passes through `run`.
 *
 *     running ──pause()──▶ stopped ──resume()──▶ running          what came meanwhile comes then, in order
 *     running, stopped ──die()──▶ dead                            nothing comes any more
 */
export class SimulatedProcess {
  readonly io: Io;
  /** Of the machine that it runs on. */
  readonly machine: string;
  readonly name: string;
  readonly #world: World;
  #isAlive = true;
  #waiting: (() => void)[] | undefined;

  constructor(world: World, options: { readonly machine: string; readonly name: string; readonly clock: Clock }) {
    const { clock } = options;
    this.#world = world;
    this.machine = options.machine;
    this.name = options.name;
    this.io = {
      clock,
      random: new SimulatedRandom(world.random.integer(2 ** 32)),
      timers: {
        after: (delayMs, action) => {
          if (!this.#isAlive) return { cancel: () => undefined };
          let isCancelled = false;
          const event = world.at(delayMs, () =>
            this.run(() => {
              if (!isCancelled) action();
            }),
          );
          return {
            cancel: () => {
              isCancelled = true;
              event.isOver = true;
            },
          };
        },
        soon: (action) => world.soon(() => this.run(action)),
      },
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#waiting !== undefined;
  }

  run(action: () => void): void {
    if (!this.#isAlive) return;
    if (this.#waiting === undefined) action();
    else this.#waiting.push(action);
  }

  pause(): void {
    this.#waiting ??= [];
  }

  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const action of waiting) this.#world.soon(() => this.run(action));
  }

  die(): void {
    this.#isAlive = false;
    this.#waiting = undefined;
  }
}
