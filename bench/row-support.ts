import { QueueManager } from '../src/queues/queue-manager.ts';
import type { Comparison } from './rounds.ts';
import type { Durations } from './statistics.ts';

/** Messages in each queue, counted by a queue manager that opens the directory afresh. */
export async function countStored(directory: string): Promise<ReadonlyMap<string, number>> {
  const manager = await QueueManager.open({ directory, machine: 'bench' });
  const counts = new Map(manager.status().map(({ queue, messages, delayed }) => [queue, messages + delayed]));
  await manager.close();
  return counts;
}

/** Messages a second beside the reference of the same run, and how long one took. */
export function comparedRates(
  { value, reference, ratio }: Pick<Comparison, 'value' | 'reference' | 'ratio'>,
  latencies: Durations,
) {
  return {
    value: roundTo(value, 0),
    unit: 'messages/s',
    reference: roundTo(reference, 0),
    ratio: roundTo(ratio, 3),
    p50Ms: roundTo(latencies.percentile(0.5), 3),
    p99Ms: roundTo(latencies.percentile(0.99), 3),
  } as const;
}

export function roundTo(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
