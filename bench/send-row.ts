import { join } from 'node:path';
import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import { QueueManager } from '../src/queues/queue-manager.ts';
import { ORDER } from './bench-messages.ts';
import { RawReference } from './raw-reference.ts';
import { compareInRounds } from './rounds.ts';
import type { Row } from './row.ts';
import { comparedRates, countStored, roundTo } from './row-support.ts';
import { Durations, median } from './statistics.ts';

const CONCURRENCY = 128;
const ROUNDS = 16;
const ROUND_MS = 400;
const MUST_RATIO = 0.4;
const AIM_RATIO = 0.6;

/** `endpoint.send` of 1 KiB, each awaited, 128 at once, beside the raw append at the same concurrency. */
export const sendRow: Row = {
  name: 'send_128',
  what: 'durable send, 128 at once',
  must: `ratio ≥ ${MUST_RATIO}`,
  aim: `ratio ≥ ${AIM_RATIO}`,
  async measure(directory) {
    const store = join(directory, 'store');
    const raw = new RawReference(join(directory, 'raw'));
    const manager = await QueueManager.open({ directory: store, machine: 'bench' });
    const endpoint = new Endpoint('sender', { queueManager: manager, logger: silentLogger });
    await endpoint.start();
    const latencies = new Durations();
    const utilizations: number[] = [];
    let sentCount = 0;
    const comparison = await compareInRounds({
      roundCount: ROUNDS,
      reference: () => raw.measure(CONCURRENCY, ROUND_MS),
      measured: async (isWarmUp) => {
        const before = performance.eventLoopUtilization();
        const result = await sendFor(endpoint, isWarmUp ? undefined : latencies);
        if (!isWarmUp) utilizations.push(performance.eventLoopUtilization(before).utilization);
        sentCount += result.count;
        return result.perSecond;
      },
    });
    raw.close();
    await endpoint.stop();
    await manager.close();
    const storedCount = (await countStored(store)).get('out') ?? 0;
    return {
      ...comparedRates(comparison, latencies),
      ok: comparison.ratio >= MUST_RATIO && storedCount === sentCount,
      details: {
        ratios: comparison.ratios,
        eventLoopUtilization: roundTo(median(utilizations), 2),
        countedInStore: storedCount,
        sent: sentCount,
      },
    };
  },
};

async function sendFor(
  endpoint: Endpoint,
  latencies: Durations | undefined,
): Promise<{ count: number; perSecond: number }> {
  const startedMs = performance.now();
  const endMs = startedMs + ROUND_MS;
  let count = 0;
  const sendOn = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs; ) {
      await endpoint.send('Bench.Order', ORDER, { to: 'out' });
      count++;
      const doneMs = performance.now();
      latencies?.add(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, sendOn));
  return { count, perSecond: count / ((performance.now() - startedMs) / 1000) };
}
