import { join } from 'node:path';
import { BenchChild } from './bench-child.ts';
import type { Row } from './row.ts';
import { countStored, roundTo } from './row-support.ts';
import type { Unawaited } from './unawaited-process.ts';

const COUNT = 1_000_000;
const PEAK_MB_MAX = 300;

/** A loop that calls `send` a million times without awaiting one: sends wait for room on the way to the disk, cheaply. */
export const unawaitedRow: Row = {
  name: 'unawaited_1m',
  what: '1,000,000 sends of 1 KiB, none of them awaited',
  must: `peak memory ≤ ${PEAK_MB_MAX} MB, all arrive`,
  aim: `peak memory ≤ ${PEAK_MB_MAX} MB`,
  async measure(directory) {
    const store = join(directory, 'store');
    await using child = new BenchChild('unawaited-process.ts', [store]);
    const result = await child.ask<Unawaited>('send', COUNT);
    const storedCount = (await countStored(store)).get('out') ?? 0;
    const peakMb = result.peakRssBytes / 1_000_000;
    return {
      value: roundTo(peakMb, 1),
      unit: 'MB',
      reference: roundTo(result.startRssBytes / 1_000_000, 1),
      ratio: roundTo(result.peakRssBytes / result.startRssBytes, 3),
      p50Ms: null,
      p99Ms: null,
      ok: peakMb <= PEAK_MB_MAX && storedCount === COUNT,
      details: {
        countedInStore: storedCount,
        perSecond: roundTo(COUNT / result.seconds, 0),
        callingMs: roundTo(result.calledMs, 0),
      },
    };
  },
};
