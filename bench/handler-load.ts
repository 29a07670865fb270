import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import type { QueueManager } from '../src/queues/queue-manager.ts';
import { ORDER } from './bench-messages.ts';
import type { Durations } from './statistics.ts';

/**
 * An endpoint as users write one: each message of `queue` is parsed and handled by a handler that sends one message of
 * 1 KiB to `to`, all in one unit. It is started, works for `durationMs`, and is stopped.
 *
 * The rate counts from the first commit to the last one before the stop.
 */
export async function handleMessages(manager: QueueManager, options: HandlerLoad): Promise<HandlerResult> {
  const { concurrency, durationMs, to, latencies } = options;
  const endpoint = new Endpoint(options.queue, {
    queueManager: manager,
    concurrency,
    transactions: { mode: 'sendsAtomicWithReceive' },
    logger: silentLogger,
  });
  const startedAt = new Map<string, number>();
  endpoint.handle('Bench.Order', async (_order, context) => {
    if (latencies !== undefined) startedAt.set(context.messageId, performance.now());
    await context.send('Bench.Order', ORDER, { to });
  });
  const begun = Promise.withResolvers<void>();
  let handledCount = 0;
  endpoint.on('handled', ({ messageId }) => {
    if (latencies !== undefined) {
      latencies.add(performance.now() - (startedAt.get(messageId) ?? Number.NaN));
      startedAt.delete(messageId);
    }
    if (++handledCount === 1) begun.resolve();
  });
  await endpoint.start();
  await begun.promise;
  const loopBefore = performance.eventLoopUtilization();
  const [countBefore, startedMs] = [handledCount, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  const seconds = (performance.now() - startedMs) / 1000;
  const perSecond = (handledCount - countBefore) / seconds;
  const { utilization } = performance.eventLoopUtilization(loopBefore);
  await endpoint.stop();
  return { perSecond, handledCount, eventLoopUtilization: utilization };
}

export interface HandlerLoad {
  readonly queue: string;
  readonly to: string;
  readonly concurrency: number;
  readonly durationMs: number;
  /** From the begin of the handler to the answer of its commit. */
  readonly latencies: Durations | undefined;
}

export interface HandlerResult {
  readonly perSecond: number;
  /** Also those before and after the measured time. */
  readonly handledCount: number;
  readonly eventLoopUtilization: number;
}
