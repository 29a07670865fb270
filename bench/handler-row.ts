import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueueManager } from '../src/queues/queue-manager.ts';
import { fillQueue } from './bench-messages.ts';
import { handleMessages } from './handler-load.ts';
import { RawReference } from './raw-reference.ts';
import { compareInRounds } from './rounds.ts';
import type { Row } from './row.ts';
import { comparedRates, countStored, roundTo } from './row-support.ts';
import { Durations, median } from './statistics.ts';

/** Receive, parse JSON, handle, send 1 KiB, commit, beside the raw cycle at the same concurrency. */
export function handlerRow(options: {
  readonly name: string;
  readonly concurrency: number;
  readonly mustRatio: number;
  readonly aimRatio: number;
  /** More than can be handled in one round. */
  readonly roundMessagesMax: number;
}): Row {
  const { name, concurrency, mustRatio, aimRatio, roundMessagesMax } = options;
  return {
    name,
    what: `receive, parse JSON, handle, send 1 KiB, commit; ${concurrency} at once`,
    must: `ratio ≥ ${mustRatio}`,
    aim: `ratio ≥ ${aimRatio}`,
    async measure(directory) {
      const store = join(directory, 'store');
      const raw = new RawReference(join(directory, 'raw'));
      const manager = await QueueManager.open({ directory: store, machine: 'bench' });
      const latencies = new Durations();
      const rawLatencies = new Durations();
      const utilizations: number[] = [];
      let handledCount = 0;
      let filledCount = 0;
      const comparison = await compareInRounds({
        roundCount: ROUNDS,
        prepare: async () => {
          if (filledCount - handledCount >= roundMessagesMax) return;
          await fillQueue(manager, 'work', ROUNDS_PER_FILL * roundMessagesMax);
          filledCount += ROUNDS_PER_FILL * roundMessagesMax;
          // The disk is busy for a while with what it was given.
          await sleep(SETTLING_MS);
        },
        reference: (isWarmUp) => raw.measure(concurrency, ROUND_MS, isWarmUp ? undefined : rawLatencies),
        measured: async (isWarmUp) => {
          const load = { queue: 'work', to: 'out', concurrency, durationMs: ROUND_MS };
          const result = await handleMessages(manager, { ...load, latencies: isWarmUp ? undefined : latencies });
          handledCount += result.handledCount;
          if (!isWarmUp) utilizations.push(result.eventLoopUtilization);
          return result.perSecond;
        },
      });
      raw.close();
      await manager.close();
      const stored = await countStored(store);
      const isComplete = stored.get('out') === handledCount && stored.get('work') === filledCount - handledCount;
      return {
        ...comparedRates(comparison, latencies),
        ok: comparison.ratio >= mustRatio && isComplete,
        details: {
          ratios: comparison.ratios,
          referenceP50Ms: roundTo(rawLatencies.percentile(0.5), 3),
          referenceP99Ms: roundTo(rawLatencies.percentile(0.99), 3),
          eventLoopUtilization: roundTo(median(utilizations), 2),
          countedInStore: stored.get('out') ?? 0,
          handled: handledCount,
        },
      };
    },
  };
}

/** A queue is filled rarely, for many rounds. */
const ROUNDS_PER_FILL = 6;
const SETTLING_MS = 1_500;
const ROUNDS = 16;
const ROUND_MS = 400;
