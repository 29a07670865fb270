import { Endpoint } from '../../../src/endpoint/endpoint.ts';
import { type Logger, silentLogger } from '../../../src/io/logger.ts';
import { nodeIo } from '../../../src/io/node-io.ts';
import { LocalOperations } from '../../../src/operations/local-operations.ts';
import { openQueueManager } from '../../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../../src/queues/queue-manager.ts';
import { LedgerWriter } from '../ledger.ts';
import { returnAll } from '../return-all.ts';
import { pause } from '../senders.ts';
import type { LifeSettings } from './life-settings.ts';
import { keepMoving } from './movers.ts';
import { keepSending } from './senders.ts';
import { BODY_BYTES_MAX, MOVED_KINDS, peerOf, QUEUES } from './workload.ts';

/*
 * One life of one machine of the crash test: it sends to the other one and takes what comes from there, until somebody
 * kills it. `node life.ts SETTINGS`, as JSON; it writes one line `ready` when all runs. A line on its standard input asks
 * it to end in good order. The last life of a machine sends nothing and returns what failed.
 */

const OPERATOR_PAUSE_MS = 150;

const settings = JSON.parse(process.argv[2] ?? '') as LifeSettings;
const { machine, life, isLast } = settings;
const peer = peerOf(machine);
const io = nodeIo();
const manager = await openQueueManager({
  directory: settings.directory,
  machine,
  bodyBytesMax: BODY_BYTES_MAX[machine],
  listen: settings.place,
  machines: { [peer]: settings.peer },
  logger: eventLogger(),
});
await declareQueues(manager);
const asks = await startAnswering(manager);
const movings = await Promise.all([
  ...MOVED_KINDS.map((kind) => keepMoving(manager, kind, QUEUES.done)),
  keepMoving(manager, QUEUES.answers, QUEUES.answered),
]);
const sending = keepSending({
  manager,
  asking: asks,
  ledger: new LedgerWriter(settings.ledger),
  from: { machine, life },
  to: peer,
  kinds: isLast ? [] : settings.kinds,
});
const operator = keepOperating(manager);
process.stdin.once('data', () => void end());
process.stdout.write('ready\n');

async function end(): Promise<void> {
  await sending.stop();
  await operator.stop();
  await asks.stop();
  await Promise.all(movings.map((moving) => moving.stop()));
  await manager.close();
  process.exit(0);
}

async function declareQueues(owner: QueueManager): Promise<void> {
  const local = [...MOVED_KINDS, ...Object.values(QUEUES)];
  await Promise.all(local.map((queue) => owner.declareQueue(queue)));
  await owner.declareQueue(`orders@${peer}`, { journal: true });
  await owner.declareQueue('moody', { acceptFrom: [peer] });
}

async function startAnswering(owner: QueueManager): Promise<Endpoint> {
  const endpoint = new Endpoint('asks', {
    queueManager: owner,
    concurrency: 8,
    logger: silentLogger,
    transactions: { mode: 'sendsAtomicWithReceive' },
    recoverability: { errorQueue: QUEUES.error },
  });
  endpoint.handle('Crash.Ask', async (cargo, context) => {
    await context.send('Crash.Done', cargo, { to: QUEUES.done });
    await context.reply('Crash.Answer', cargo);
  });
  await endpoint.start();
  return endpoint;
}

/**
 * An operator who now and then takes the other machine's permission to send to `moody`, and gives it back; in the last life
 * one who returns what is in the error queue: a message that was in flight at several deaths goes there.
 */
function keepOperating(owner: QueueManager): { stop(): Promise<void> } {
  const operations = new LocalOperations(owner, io);
  let isStopped = false;
  const operate = async (): Promise<void> => {
    while (!isStopped) {
      await pause(OPERATOR_PAUSE_MS);
      if (isLast) await returnAll(operations);
      else await owner.declareQueue('moody', { acceptFrom: io.random.fraction() < 0.3 ? ['nobody'] : [peer] });
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

/** What reconciliation found goes to standard error, one line each. */
function eventLogger(): Logger {
  return {
    ...silentLogger,
    warn: (_text, fields) => {
      if (fields?.event !== undefined) process.stderr.write(`event ${fields.event} ${fields.queue}\n`);
    },
    child: () => eventLogger(),
  };
}
