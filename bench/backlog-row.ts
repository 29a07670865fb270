import { join } from 'node:path';
import { BenchChild } from './bench-child.ts';
import type { HandlerResult } from './handler-load.ts';
import { compareInRounds } from './rounds.ts';
import type { Row } from './row.ts';
import { countStored, roundTo } from './row-support.ts';

const LARGE = 1_000_000;
const SMALL = 1_000;
const ROUNDS = 12;
const ROUND_MS = 500;
const OPEN_MS_MAX = 200;
const MORE_MEMORY_MB_MAX = 150;
const MUST_RATIO = 0.7;

/** The same queue with 1,000,000 and with 1,000 messages of 1 KiB waiting, each in a process of its own, in turns. */
export const backlogRow: Row = {
  name: 'backlog_1m',
  what: '1,000,000 messages waiting, beside the same queue with 1,000',
  must: `open ≤ ${OPEN_MS_MAX} ms, ≤ ${MORE_MEMORY_MB_MAX} MB more memory, ratio ≥ ${MUST_RATIO}`,
  aim: 'open 50 ms, 60 MB, ratio ≥ 0.9',
  async measure(directory) {
    const [largeStore, smallStore] = [join(directory, 'large'), join(directory, 'small')];
    const fillSeconds = await fillStore(largeStore, LARGE);
    await fillStore(smallStore, SMALL);
    await using large = new BenchChild('backlog-process.ts', [largeStore]);
    await using small = new BenchChild('backlog-process.ts', [smallStore]);
    const smallOpened = await small.ask<Opened>('open');
    const largeOpened = await large.ask<Opened>('open');
    const handle = async (child: BenchChild) => (await child.ask<HandlerResult>('handle', ROUND_MS)).perSecond;
    const comparison = await compareInRounds({
      roundCount: ROUNDS,
      reference: () => handle(small),
      measured: () => handle(large),
    });
    const largeClosed = await large.ask<Closed>('close');
    const smallClosed = await small.ask<Closed>('close');
    const counts = [(await countStored(largeStore)).get('work'), (await countStored(smallStore)).get('work')];
    const moreAtOpenMb = megabytes(largeOpened.rssBytes - smallOpened.rssBytes);
    const moreAtPeakMb = megabytes(largeClosed.rssMaxBytes - smallClosed.rssMaxBytes);
    return {
      value: roundTo(comparison.value, 0),
      unit: 'messages/s',
      reference: roundTo(comparison.reference, 0),
      ratio: roundTo(comparison.ratio, 3),
      p50Ms: roundTo(largeClosed.p50Ms, 3),
      p99Ms: roundTo(largeClosed.p99Ms, 3),
      ok:
        comparison.ratio >= MUST_RATIO &&
        largeOpened.openMs <= OPEN_MS_MAX &&
        Math.max(moreAtOpenMb, moreAtPeakMb) <= MORE_MEMORY_MB_MAX &&
        counts[0] === LARGE &&
        counts[1] === SMALL,
      details: {
        ratios: comparison.ratios,
        openMs: roundTo(largeOpened.openMs, 1),
        referenceOpenMs: roundTo(smallOpened.openMs, 1),
        moreMemoryAtOpenMb: moreAtOpenMb,
        moreMemoryAtPeakMb: moreAtPeakMb,
        peakMemoryMb: megabytes(largeClosed.rssMaxBytes),
        referenceP99Ms: roundTo(smallClosed.p99Ms, 3),
        fillSeconds: roundTo(fillSeconds, 1),
        countedInStore: counts.join(' and '),
      },
    };
  },
};

interface Opened {
  readonly openMs: number;
  readonly rssBytes: number;
}

interface Closed {
  readonly rssMaxBytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** In a process that ends, so that nothing of the filling is left in anybody's memory. */
async function fillStore(directory: string, count: number): Promise<number> {
  await using filler = new BenchChild('backlog-process.ts', [directory]);
  await filler.ask('open');
  const startedMs = performance.now();
  await filler.ask('fill', count);
  const seconds = (performance.now() - startedMs) / 1000;
  await filler.ask('close');
  return seconds;
}

function megabytes(bytes: number): number {
  return roundTo(bytes / 1_000_000, 1);
}
