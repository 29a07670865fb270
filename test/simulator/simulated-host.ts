import type { Clock } from '../../src/io/io.ts';
import type { World } from './world.ts';

/** A computer as its network and its clocks see it: addresses come and go, it is on or off, its wall clock may be wrong. */
export class SimulatedHost {
  readonly name: string;
  readonly addresses = new Set<string>();
  readonly #world: World;
  #isOn = true;
  #boots = 1;
  #bootedMs = 0;
  /** What the wall clock is off by. */
  wallOffsetMs = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Differs after each boot: the kernel of one knows nothing of the connections of another. */
  get boot(): number {
    return this.#boots;
  }

  get clock(): Clock {
    const host = this;
    return {
      wallNowMs: () => WALL_START_MS + Math.floor(host.#world.nowMs + host.wallOffsetMs),
      monotonicNowMs: () => MONOTONIC_START_MS + host.#world.nowMs - host.#bootedMs,
      get bootId() {
        return `simulated-boot-${host.#boots}`;
      },
    };
  }

  hasAddress(address: string): boolean {
    return isLoopback(address) || this.addresses.has(address);
  }

  /** No packet leaves or is answered; the processes are to be killed by whoever does this. */
  powerOff(): void {
    this.#isOn = false;
  }

  bootUp(): void {
    this.#isOn = true;
    this.#boots++;
    this.#bootedMs = this.#world.nowMs;
  }
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

const WALL_START_MS = Date.UTC(2030, 0, 1);
/** Not 0, so that a caller who takes monotonic time for time since its own start is found out. */
const MONOTONIC_START_MS = 50_000;
