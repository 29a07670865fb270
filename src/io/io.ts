/**
 * The doors to everything that is not our own code: time, chance, files, sockets (DESIGN decision 10).
 *
 * Production gets `nodeIo()`; the simulator and `posthorn/testing` bring their own. Outside `io/` and `store/` nothing
 * else may reach the clock, timers, randomness, `node:fs`, `node:net` or `node:dns`; a test holds that.
 * The doors to other machines and their names stand in network.ts.
 */
export interface Io {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

export interface Clock {
  /** Unix time in milliseconds. May jump any way; for display, and for what is explained in `SteadyClock`. */
  wallNowMs(): number;
  /** Milliseconds that only ever grow, from an origin that is the same for all processes of one boot of the machine. */
  monotonicNowMs(): number;
  /** Names the origin of `monotonicNowMs`: changes when the machine boots; absent where it cannot be told. */
  readonly bootId: string | undefined;
}

export interface Timers {
  /**
   * Runs `action` once, `delayMs` from now at the earliest; any delay, also longer than 2^31 ms.
   * `keepsProcessAlive` false (default): a process with nothing else to do may end before.
   */
  after(delayMs: number, action: () => void, options?: { readonly keepsProcessAlive?: boolean }): Timer;
  /** Runs `action` after all promise reactions of this turn of the event loop. */
  soon(action: () => void): void;
}

export interface Timer {
  /** After this, the action does not run; twice is harmless. */
  cancel(): void;
}

export interface Random {
  /** A version 4 UUID, lower case. */
  uuid(): string;
  /** In [0, 1). */
  fraction(): number;
}
