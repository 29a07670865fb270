import { Endpoint } from '../../src/endpoint/endpoint.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';

/*
 * A host of 64 handlers, one of whose messages kills the process. `node killer-host.ts DIRECTORY LIFE HOW`. In the first
 * life the killer waits until all 64 run, so that its neighbours are in flight when it strikes. Ends by itself when the
 * queue is empty.
 */

const CONCURRENCY = 64;

type WayToDie = 'exit' | 'signal' | 'uncaught error' | 'out of memory';

const [directory = '', life = '', how] = process.argv.slice(2);
const manager = await openQueueManager({ directory, machine: 'crash' });
const host = new Endpoint('work', { queueManager: manager, concurrency: CONCURRENCY, logger: silentLogger });
const allRun = Promise.withResolvers<void>();
let startedCount = 0;

host.use('incomingPhysical', async (_context, next) => {
  if (++startedCount === CONCURRENCY) allRun.resolve();
  await next();
});
host.handle('Innocent', async (message, context) => {
  if (life === '1') await new Promise(() => {});
  await context.send('Done', message, { to: 'done' });
});
host.handle('Killer', async () => {
  if (life === '1') await allRun.promise;
  await die(how as WayToDie);
});
host.on('handled', () => void endWhenEmpty());
host.on('movedToErrorQueue', () => void endWhenEmpty());
await host.start();

async function endWhenEmpty(): Promise<void> {
  if (manager.status().some(({ queue, messages }) => queue === 'work' && messages > 0)) return;
  await host.stop();
  await manager.close();
}

async function die(way: WayToDie): Promise<void> {
  switch (way) {
    case 'exit':
      process.exit(1);
      break;
    case 'signal':
      process.kill(process.pid, 'SIGKILL');
      break;
    case 'uncaught error':
      queueMicrotask(() => {
        throw new Error('nobody awaits this');
      });
      await new Promise(() => {});
      break;
    case 'out of memory':
      for (const hoard: unknown[] = []; ; ) hoard.push(new Array(1000).fill(hoard.length));
    default:
      way satisfies never;
  }
}
