import { Endpoint } from '../../src/endpoint/endpoint.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';

/*
 * A host that handles messages and, when told to, keeps memory of each until there is none left.
 * `node hoarding-host.ts DIRECTORY hoard|work`. Working, it ends after 2,000 messages with a line of JSON.
 */

const ENOUGH = 2_000;

const [directory = '', what] = process.argv.slice(2);
const rssBeforeBytes = process.memoryUsage.rss();
const startedMs = performance.now();
const manager = await openQueueManager({ directory, machine: 'crash' });
const openMs = performance.now() - startedMs;
const waiting = manager.status().find(({ queue }) => queue === 'work')?.messages;
const host = new Endpoint('work', { queueManager: manager, concurrency: 16, logger: silentLogger });
const hoard: unknown[] = [];
let handledCount = 0;

host.handle('Order', async (message, context) => {
  if (what === 'hoard') hoard.push(new Array(2_000).fill(handledCount));
  await context.send('Done', message, { to: 'done' });
});
host.on('handled', () => {
  if (++handledCount === ENOUGH && what === 'work') void end();
});
await host.start();

async function end(): Promise<void> {
  const moreBytes = process.memoryUsage.rss() - rssBeforeBytes;
  await host.stop();
  await manager.close();
  process.stdout.write(`${JSON.stringify({ openMs, waiting, moreBytes })}\n`);
}
