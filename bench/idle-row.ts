import { join } from 'node:path';
import { BenchChild } from './bench-child.ts';
import type { Idleness } from './idle-process.ts';
import type { Row } from './row.ts';
import { roundTo } from './row-support.ts';

const IDLE_MS = 6_000;
const CORE_PERCENT_MAX = 1;
/** Both processes are asked the same way; an endpoint that polls would make more calls than that. */
const MORE_CALLS_MAX = 10;

/** An endpoint that waits for messages, beside a queue manager without one, at the same time in processes of their own. */
export const idleRow: Row = {
  name: 'idle',
  what: 'an idle endpoint, beside an empty queue manager',
  must: `< ${CORE_PERCENT_MAX} % of one core, no polling of the disk`,
  aim: 'nothing at all',
  async measure(directory) {
    const [endpoint, empty] = await Promise.all([
      measureIdle(join(directory, 'endpoint'), 'endpoint'),
      measureIdle(join(directory, 'empty'), 'empty'),
    ]);
    const hasPolled = (endpoint.diskCalls ?? 0) > (empty.diskCalls ?? 0) + MORE_CALLS_MAX;
    return {
      value: roundTo(endpoint.corePercent, 3),
      unit: '% of one core',
      reference: roundTo(empty.corePercent, 3),
      ratio: empty.corePercent === 0 ? null : roundTo(endpoint.corePercent / empty.corePercent, 3),
      p50Ms: null,
      p99Ms: null,
      ok: endpoint.corePercent < CORE_PERCENT_MAX && !hasPolled,
      details: {
        seconds: IDLE_MS / 1000,
        readAndWriteCalls: endpoint.diskCalls ?? 'not counted on this system',
        referenceReadAndWriteCalls: empty.diskCalls ?? 'not counted on this system',
      },
    };
  },
};

async function measureIdle(directory: string, what: 'endpoint' | 'empty'): Promise<Idleness> {
  await using child = new BenchChild('idle-process.ts', [directory, what]);
  return await child.ask<Idleness>('idle', IDLE_MS);
}
