import type { Io } from '../io/io.ts';
import { nodeNames } from '../io/node-names.ts';
import { nodeNetwork } from '../io/node-network.ts';
import { packageVersion } from '../io/package-version.ts';
import { MESSAGE_BODY_BYTES_MAX } from '../message/limits.ts';
import { readNetworkSettings } from '../transfer/network-options.ts';
import { openTlsSource } from '../transfer/open-tls-source.ts';
import { ping } from '../transfer/ping/ping.ts';
import { probeDoors } from '../transfer/ping/probe-doors.ts';
import type { PingReport } from '../transfer/ping-report.ts';
import type { ManagerDescription } from './operations.ts';

/**
 * Looks at the way to a machine from a directory that nobody runs, with its settings and keys. The directory is not held
 * meanwhile. One way alone: nobody here could be reached.
 */
export async function pingFromStopped(
  { machine: own, storeId, directory }: ManagerDescription,
  machine: string,
  io: Io,
): Promise<PingReport> {
  const settings = await readNetworkSettings(directory);
  const tls = settings.tls === undefined ? undefined : openTlsSource(settings.tls, io.timers, () => undefined);
  try {
    const doors = { io, network: nodeNetwork(), names: nodeNames({ namesFile: settings.namesFile }), settings, tls };
    const self = {
      machine: own,
      storeId,
      instanceId: io.random.uuid(),
      version: packageVersion(),
      bodyBytesMax: MESSAGE_BODY_BYTES_MAX,
    };
    const noWayBack = `No queue manager runs on this machine (${own}, ${directory}), so only the way there was looked at.`;
    return await ping(machine, probeDoors(doors, self), { listenPort: undefined, noWayBack });
  } finally {
    tls?.close();
  }
}
