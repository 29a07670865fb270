import { setTimeout as sleep } from 'node:timers/promises';
import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import { QueueManager } from '../src/queues/queue-manager.ts';
import { answerParent } from './bench-child.ts';
import { ORDER } from './bench-messages.ts';

/* A program that never awaits its sends. `node unawaited-process.ts DIRECTORY` */

const [directory = ''] = process.argv.slice(2);

answerParent({
  async send(count: number): Promise<Unawaited> {
    const manager = await QueueManager.open({ directory, machine: 'bench' });
    const endpoint = new Endpoint('sender', { queueManager: manager, logger: silentLogger });
    await endpoint.start();
    await manager.declareQueue('out');
    const startRssBytes = process.memoryUsage.rss();
    const startedMs = performance.now();
    // A send that fails ends the process as an unhandled rejection does: nothing here looks at the promises.
    for (let sent = 0; sent < count; sent++) void endpoint.send('Bench.Order', ORDER, { to: 'out' });
    const calledMs = performance.now() - startedMs;
    while ((manager.status().find(({ queue }) => queue === 'out')?.messages ?? 0) < count) await sleep(20);
    const seconds = (performance.now() - startedMs) / 1000;
    await endpoint.stop();
    await manager.close();
    return { seconds, calledMs, startRssBytes, peakRssBytes: process.resourceUsage().maxRSS * 1024 };
  },
});

export interface Unawaited {
  /** Until the last one was stored. */
  readonly seconds: number;
  /** The loop of calls alone. */
  readonly calledMs: number;
  readonly startRssBytes: number;
  readonly peakRssBytes: number;
}
