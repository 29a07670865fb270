/*
 * A process that calls `send` a million times without awaiting one, for the story about that. Prints one JSON line.
 * Started with --expose-gc, so that what is measured is what is held and not what waits for the collector.
 */
import { rmSync } from 'node:fs';
import { Endpoint } from '../../src/endpoint/endpoint.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';

const [directory = '', count = '1000000'] = process.argv.slice(2);
const sendCount = Number(count);
const body = { text: 'x'.repeat(1000) };

const manager = await QueueManager.open({ directory });
const endpoint = new Endpoint('sender', { queueManager: manager, sendOnly: true, logger: silentLogger });
await endpoint.start();

const before = heldBytes();
let last: Promise<unknown> = Promise.resolve();
for (let index = 0; index < sendCount; index++) last = endpoint.send('Work', body, { to: 'work' });
const heldWhileWaiting = heldBytes() - before;
await last; // they are durable in the order of their calls
const stored = manager.status().find(({ queue }) => queue === 'work')?.messages;
const peakBytes = process.resourceUsage().maxRSS * 1024;

await endpoint.stop();
await manager.close();
rmSync(directory, { recursive: true });
process.stdout.write(`${JSON.stringify({ heldWhileWaiting, stored, peakBytes })}\n`);

function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
