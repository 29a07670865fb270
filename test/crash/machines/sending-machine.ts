import { silentLogger } from '../../../src/io/logger.ts';
import { openQueueManager } from '../../../src/operations/open-queue-manager.ts';
import type { Place } from './free-place.ts';
import { sendCargo } from './send-cargo.ts';
import { type Machine, peerOf, QUEUES } from './workload.ts';

/*
 * A machine that takes messages into its queue `done`, sends some to that of the other machine when it starts, and is killed
 * at a failpoint or ends when a line comes on its standard input. `node sending-machine.ts SETTINGS`, as JSON.
 */

const settings = JSON.parse(process.argv[2] ?? '') as SendingMachineSettings;
const peer = peerOf(settings.machine);
const manager = await openQueueManager({
  directory: settings.directory,
  machine: settings.machine,
  listen: settings.place,
  machines: { [peer]: settings.peer },
  logger: silentLogger,
});
await manager.declareQueue(QUEUES.done);
process.stdout.write('ready\n');
process.stdin.once('data', () => void manager.close().then(() => process.exit(0)));
if (settings.ids.length > 0) await sendCargo(manager, peer, settings.ids);

export interface SendingMachineSettings {
  readonly machine: Machine;
  readonly directory: string;
  readonly place: Place;
  readonly peer: string;
  readonly ids: readonly string[];
}
