import { Endpoint } from '../../../src/endpoint/endpoint.ts';
import { silentLogger } from '../../../src/io/logger.ts';
import { nodeIo } from '../../../src/io/node-io.ts';
import { openQueueManager } from '../../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../../src/queues/queue-manager.ts';
import { mysqlResource } from '../../../src/resources/mysql/mysql-resource.ts';
import { postgresResource } from '../../../src/resources/postgres/postgres-resource.ts';
import { ABORT_ROW_PREFIX, TRANSACTION_PREFIX } from '../../../src/transactions/transaction-record.ts';
import {
  ERROR_QUEUE,
  INPUT_QUEUE,
  type LifeSettings,
  MESSAGE_TYPE,
  type Numbered,
  OUTPUT_QUEUE,
  TABLE,
} from './settings.ts';

/*
 * One life of the transactions' crash test: an endpoint whose handler writes each message's number into every database and
 * sends it on, in one transaction. `node life.ts SETTINGS`, as JSON. It writes `ready` when the endpoint runs, then a line
 * `handled N` for every 25 messages. The last life ends when nothing is left to do; the others go on until they are killed.
 */

const LOOK_EVERY_MS = 50;

const settings = JSON.parse(process.argv[2] ?? '') as LifeSettings;
const manager = await openQueueManager({
  directory: settings.directory,
  machine: 'crash',
  network: false,
  logger: silentLogger,
});
const { postgres, mariadb } = settings;
const orders = postgres === undefined ? undefined : postgresResource({ name: 'orders', connectionString: postgres });
const stock = mariadb === undefined ? undefined : mysqlResource({ name: 'stock', connectionString: mariadb });
const resources = [orders, stock].filter((resource) => resource !== undefined);

let handledCount = 0;
const endpoint = new Endpoint(INPUT_QUEUE, {
  queueManager: manager,
  concurrency: settings.concurrency,
  transactions: { mode: 'distributed' },
  recoverability: { immediateRetries: 5, delayedRetries: 3, delayedRetryIncreaseMs: 500, errorQueue: ERROR_QUEUE },
  resources,
  logger: silentLogger,
});
endpoint.handle(MESSAGE_TYPE, async (message, context) => {
  const { number } = message as Numbered;
  await orders?.query(`insert into ${TABLE} values ($1)`, [number]);
  await stock?.query(`insert into ${TABLE} values (?)`, [number]);
  await context.send(MESSAGE_TYPE, { number }, { to: OUTPUT_QUEUE });
});
endpoint.on('handled', () => {
  if (++handledCount % 25 === 0) console.log(`handled ${handledCount}`);
});
await endpoint.start();
console.log('ready');
if (settings.isLast) {
  await untilSettled(manager);
  await endpoint.stop();
  await manager.close();
}

/** Nothing waits, nothing is staged, decided or fenced off by an abort row. */
async function untilSettled(owner: QueueManager): Promise<void> {
  for (;;) {
    const input = owner.status().find(({ queue }) => queue === INPUT_QUEUE);
    const isIdle = input === undefined || input.messages + input.delayed === 0;
    if (isIdle && (await isWithoutRecords(owner))) return;
    await new Promise<void>((resolve) => nodeIo().timers.after(LOOK_EVERY_MS, resolve, { keepsProcessAlive: true }));
  }
}

async function isWithoutRecords(owner: QueueManager): Promise<boolean> {
  for (const prefix of [TRANSACTION_PREFIX, ABORT_ROW_PREFIX]) {
    const { entries } = await owner.readState({ prefix, countMax: 1 });
    if (entries.length > 0) return false;
  }
  return true;
}
