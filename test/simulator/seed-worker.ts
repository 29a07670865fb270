import { runSeed } from './run-seed.ts';
import type { SimulationFailure } from './world.ts';

/** What a worker of `simulate.ts` tells of one run. */
export interface SeedReport {
  readonly seed: number;
  readonly hash: string;
  readonly failure: SimulationFailure | undefined;
  readonly lastLines: readonly string[];
  readonly coverage: Readonly<Record<string, number>>;
  readonly sums: Readonly<Record<string, number>>;
}

/** A process that runs the seeds it is sent, one after the other. */
process.on('message', async (order: { readonly seed: number; readonly safetyMs?: number }) => {
  const result = await runSeed(order.seed, { safetyMs: order.safetyMs });
  const { seed, hash, failure, lastLines, eventCount, virtualMs, report } = result;
  process.send?.({
    seed,
    hash,
    failure,
    lastLines: failure === undefined ? [] : lastLines,
    coverage: result.coverage.toJSON(),
    sums: { events: eventCount, virtualSeconds: Math.round(virtualMs / 1000), ...report },
  } satisfies SeedReport);
});
