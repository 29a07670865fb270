import { QueueManager } from '../src/queues/queue-manager.ts';

/** Messages in each queue, counted by a queue manager that opens the directory afresh. */
export async function countStored(directory: string): Promise<ReadonlyMap<string, number>> {
  const manager = await QueueManager.open({ directory, machine: 'bench' });
  const counts = new Map(manager.status().map(({ queue, messages, delayed }) => [queue, messages + delayed]));
  await manager.close();
  return counts;
}

export function roundTo(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
