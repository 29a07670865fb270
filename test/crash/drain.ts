import { nodeIo } from '../../src/io/node-io.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { startEndpoints } from './endpoints.ts';
import { LedgerWriter } from './ledger.ts';
import { returnAll } from './return-all.ts';
import { QUEUES } from './workload.ts';

/*
 * The last life of the crash test: what was broken is repaired. When a line on its standard input says that nothing more
 * is sent, everything that failed is returned to source, and it ends in good order when nothing is on its way.
 * `node drain.ts DIRECTORY LEDGER`
 */

/** Queues in which no message may stay. */
const PASSING: ReadonlySet<string> = new Set([QUEUES.first, QUEUES.second, QUEUES.loose, QUEUES.unread]);

const [directory = '', ledgerPath = ''] = process.argv.slice(2);
const { timers } = nodeIo();
const manager = await openQueueManager({ directory, machine: 'crash' });
new LedgerWriter(ledgerPath).note('life', 'last');
const endpoints = await startEndpoints(manager, { isRepaired: true });
await new Promise((resolve) => process.stdin.once('data', resolve));
await untilQuiet(manager);
await returnAll(new LocalOperations(manager, nodeIo()));
await untilQuiet(manager);
await endpoints.stop();
await manager.close();
process.exit(0);

/** Resolves when no message waits for a handler, for a delay or for its expiry. */
function untilQuiet(owner: QueueManager): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      const isBusy = owner
        .status()
        .some(({ queue, messages, delayed }) => delayed > 0 || (PASSING.has(queue) && messages > 0));
      if (isBusy) timers.after(20, look, { keepsProcessAlive: true });
      else resolve();
    };
    look();
  });
}
