import { diskRoom } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { packageVersion } from '../io/package-version.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import { CLOCK_KEY } from '../queues/open-state.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import { type SavedClock, SteadyClock } from '../queues/steady-clock.ts';
import { readNetworkSettings } from '../transfer/network-options.ts';
import { encodeError } from './control-protocol.ts';
import type { HealthDescription } from './operations.ts';

/** What this process, its disk and its clock are like. */
export async function describeHealth(
  manager: QueueManager,
  io: Io,
  { isRunning }: { readonly isRunning: boolean },
): Promise<HealthDescription> {
  const { freeBytes, totalBytes } = diskRoom(manager.directory);
  const { entries } = await manager.readState({ prefix: CLOCK_KEY, countMax: 1 });
  const saved = entries.find(({ key }) => key === CLOCK_KEY)?.value;
  // Written by the unit with which the directory was opened, in this package's own form.
  const steady = new SteadyClock(io.clock, saved === undefined ? undefined : (JSON.parse(saved) as SavedClock));
  return {
    nodeVersion: process.versions.node,
    version: packageVersion(),
    freeBytes,
    diskBytes: totalBytes,
    clockAheadMs: io.clock.wallNowMs() - steady.nowMs(),
    network: isRunning ? undefined : await networkTrouble(manager.directory),
  };
}

async function networkTrouble(directory: string): Promise<HealthDescription['network']> {
  try {
    await readNetworkSettings(directory);
    return undefined;
  } catch (error) {
    if (!isPosthornError(error)) throw error;
    const { what, mend } = encodeError('describeHealth', error);
    return { what, mend };
  }
}
