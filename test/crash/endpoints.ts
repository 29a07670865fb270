import { Endpoint } from '../../src/endpoint/endpoint.ts';
import { silentLogger } from '../../src/io/logger.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { type Cargo, QUEUES } from './workload.ts';

/** The three endpoints of the crash test, with handlers that fail as workload.ts says. */
export async function startEndpoints(manager: QueueManager, options: { isRepaired: boolean }): Promise<CrashEndpoints> {
  const common = {
    queueManager: manager,
    concurrency: 16,
    logger: silentLogger,
    recoverability: { immediateRetries: 1, delayedRetries: 1, delayedRetryIncreaseMs: 40, errorQueue: QUEUES.error },
  } as const;
  const atomic = { mode: 'sendsAtomicWithReceive' } as const;
  const first = new Endpoint(QUEUES.first, { ...common, transactions: atomic });
  first.handle('Crash.Begin', async (message, context) => {
    const cargo = message as Cargo;
    const { kind } = cargo;
    const isDelayed = kind === 'later';
    await context.send('Crash.End', cargo, { to: QUEUES.second, ...(isDelayed && { delayMs: 30 }) });
    // Thrown after the send: what a failed handler sent must not be seen.
    if (kind === 'hopeless' || (kind === 'broken' && !options.isRepaired)) throw new Error(`${kind} as agreed`);
    if (kind === 'fails-once' && context.attempt.total === 1) throw new Error('once');
    if (kind === 'fails-round' && context.attempt.delayed === 0) throw new Error('one round');
  });
  const second = new Endpoint(QUEUES.second, { ...common, transactions: atomic });
  second.handle('Crash.End', async (message, context) => {
    await context.send('Crash.Done', message, { to: QUEUES.done });
    await context.send('Crash.Receipt', message, { to: QUEUES.receipt });
  });
  const loose = new Endpoint(QUEUES.loose, { ...common, transactions: { mode: 'receiveOnly' } });
  loose.handle('Crash.Begin', async (message, context) => {
    await context.send('Crash.Done', message, { to: QUEUES.looseDone });
  });
  const all = [first, second, loose];
  await Promise.all(all.map((endpoint) => endpoint.start()));
  return { first, stop: async () => void (await Promise.all(all.map((endpoint) => endpoint.stop()))) };
}

export interface CrashEndpoints {
  readonly first: Endpoint;
  stop(): Promise<void>;
}
