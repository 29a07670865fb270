import { QueueManager } from '../src/queues/queue-manager.ts';
import { answerParent } from './bench-child.ts';
import { fillQueue } from './bench-messages.ts';
import { type HandlerResult, handleMessages } from './handler-load.ts';
import { Durations } from './statistics.ts';

/*
 * Owns a directory whose queue `work` holds a backlog that stays as long as it is: each handled message sends one back.
 * `node backlog-process.ts DIRECTORY`
 */

const [directory = ''] = process.argv.slice(2);
let manager: QueueManager | undefined;
const latencies = new Durations();

answerParent({
  async open(): Promise<{ openMs: number; rssBytes: number }> {
    const startedMs = performance.now();
    manager = await QueueManager.open({ directory, machine: 'bench' });
    return { openMs: performance.now() - startedMs, rssBytes: process.memoryUsage.rss() };
  },
  async fill(count: number): Promise<void> {
    await fillQueue(opened(), 'work', count);
  },
  async handle(durationMs: number): Promise<HandlerResult> {
    return await handleMessages(opened(), { queue: 'work', to: 'work', concurrency: 64, durationMs, latencies });
  },
  async close(): Promise<{ rssMaxBytes: number; p50Ms: number; p99Ms: number }> {
    await manager?.close();
    return {
      rssMaxBytes: process.resourceUsage().maxRSS * 1024,
      p50Ms: latencies.percentile(0.5),
      p99Ms: latencies.percentile(0.99),
    };
  },
});

function opened(): QueueManager {
  if (manager === undefined) throw new Error('It is not open.');
  return manager;
}
