import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import { openQueueManager } from '../src/operations/open-queue-manager.ts';
import { answerParent } from './bench-child.ts';

/*
 * A queue manager with nothing to do, with an endpoint on it or without. `node idle-process.ts DIRECTORY endpoint|empty`
 */

const [directory = '', what = ''] = process.argv.slice(2);
const SETTLING_MS = 1_000;

answerParent({
  async idle(durationMs: number): Promise<Idleness> {
    const manager = await openQueueManager({ directory, machine: 'bench' });
    const endpoint = new Endpoint('idle', { queueManager: manager, logger: silentLogger });
    endpoint.handle('Bench.Order', () => {});
    if (what === 'endpoint') await endpoint.start();
    await sleep(SETTLING_MS);
    const callsBefore = readDiskCalls();
    const cpuBefore = process.cpuUsage();
    await sleep(durationMs);
    const cpu = process.cpuUsage(cpuBefore);
    const callsAfter = readDiskCalls();
    if (what === 'endpoint') await endpoint.stop();
    await manager.close();
    return {
      corePercent: (cpu.user + cpu.system) / 10 / durationMs,
      // Reading the first count is itself some calls, which stand in the second.
      diskCalls: callsBefore === undefined || callsAfter === undefined ? undefined : callsAfter - callsBefore,
    };
  },
});

export interface Idleness {
  readonly corePercent: number;
  /** Read and write calls of the whole process, on Linux. */
  readonly diskCalls: number | undefined;
}

function readDiskCalls(): number | undefined {
  try {
    const text = readFileSync('/proc/self/io', 'utf8');
    return Number(/^syscr: (\d+)$/m.exec(text)?.[1]) + Number(/^syscw: (\d+)$/m.exec(text)?.[1]);
  } catch {
    return undefined; // Not Linux: nobody counts there.
  }
}
