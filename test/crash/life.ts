import { nodeIo } from '../../src/io/node-io.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { startEndpoints } from './endpoints.ts';
import { LedgerWriter } from './ledger.ts';
import { returnAll } from './return-all.ts';
import { isBacklogLong, keepSending, pause } from './senders.ts';
import { QUEUES } from './workload.ts';

/*
 * One life of the crash test: a process that owns the directory, sends, handles, retries, returns failed messages and
 * purges, until somebody kills it. `node life.ts DIRECTORY LEDGER NUMBER`; it writes one line `ready` when all runs.
 * A line on its standard input asks it to end in good order.
 */

const OPERATOR_PAUSE_MS = 100;

const [directory = '', ledgerPath = '', lifeNumber = ''] = process.argv.slice(2);
const io = nodeIo();
const ledger = new LedgerWriter(ledgerPath);
const manager = await openQueueManager({ directory, machine: 'crash' });
ledger.note('life', lifeNumber);
await declareQueues(manager);
const endpoints = await startEndpoints(manager, { isRepaired: false });
const sending = keepSending(endpoints.first, ledger, {
  writer: `life${lifeNumber}`,
  concurrency: 12,
  pauseMs: 2,
  isBehind: () => isBacklogLong(manager),
});
const operator = keepOperating(manager);
process.stdin.once('data', () => void end());
process.stdout.write('ready\n');

async function end(): Promise<void> {
  await sending.stop();
  await operator.stop();
  await endpoints.stop();
  await manager.close();
  process.exit(0);
}

async function declareQueues(owner: QueueManager): Promise<void> {
  for (const queue of Object.values(QUEUES)) await owner.declareQueue(queue);
}

/** An operator who returns all failed messages and purges `scrap`, over and over. */
function keepOperating(owner: QueueManager): { stop(): Promise<void> } {
  const operations = new LocalOperations(owner, io);
  let isStopped = false;
  const operate = async (): Promise<void> => {
    for (let turn = 1; !isStopped; turn++) {
      await returnAll(operations);
      await purgeScrap(owner, `${lifeNumber}.${turn}`);
      await pause(OPERATOR_PAUSE_MS);
    }
  };
  const operating = operate();
  return {
    stop: () => {
      isStopped = true;
      return operating;
    },
  };
}

async function purgeScrap(owner: QueueManager, name: string): Promise<void> {
  const receiver = await owner.openReceiver(QUEUES.scrap);
  ledger.note('purging', name);
  await receiver.purge();
  ledger.note('purged', name);
  receiver.close();
}
