import type { Io } from '../io/io.ts';
import { StoreOwned } from './errors.ts';

/**
 * Tries `open` until the directory is free, while its owner is one that soon goes: a CLI verb's page of work, as long as
 * `waitForOwnerMs` says, or a process that took the lock a moment ago and has not told its name yet.
 */
export async function openWhenFree<T>(
  options: { readonly io: Io; readonly waitForOwnerMs?: number },
  open: () => Promise<T>,
): Promise<T> {
  const { clock, timers } = options.io;
  const startedMs = clock.monotonicNowMs();
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof StoreOwned) || error.ownerIs === 'queue-manager') throw error;
      const patienceMs = Math.max(options.waitForOwnerMs ?? 0, error.ownerIs === 'starting' ? STARTING_MS_MAX : 0);
      if (clock.monotonicNowMs() - startedMs >= patienceMs) throw error;
      await new Promise<void>((resolve) => timers.after(RETRY_MS, resolve, { keepsProcessAlive: true }));
    }
  }
}

const RETRY_MS = 20;
/** Between taking the lock and writing the owner record stand a few milliseconds of opening. */
const STARTING_MS_MAX = 1000;
