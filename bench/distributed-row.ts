import { join } from 'node:path';
import { silentLogger } from '../src/io/logger.ts';
import { openQueueManager } from '../src/operations/open-queue-manager.ts';
import { startMariadb } from '../tools/databases/start-mariadb.ts';
import { startPostgres } from '../tools/databases/start-postgres.ts';
import { BareDatabases, type DatabaseUrls } from './bare-databases.ts';
import { DistributedEndpoint } from './distributed-endpoint.ts';
import { RawReference } from './raw-reference.ts';
import { compareInRounds } from './rounds.ts';
import type { Measured, Row } from './row.ts';
import { comparedRates, countStored, roundTo } from './row-support.ts';
import { slowSyncOfThisProcess } from './slow-sync.ts';
import { Durations, median } from './statistics.ts';

/**
 * Receive, parse JSON, insert 1 KiB into each database, send 1 KiB, and all of it in one transaction; beside what is written by
 * hand without a bus, with as many connections to the same servers.
 */
export function distributedRow(options: {
  readonly name: string;
  readonly databases: readonly ['postgres'] | readonly ['postgres', 'mariadb'];
  readonly mustRatio: number;
  readonly aimRatio: number;
  /** About what is handled in a second. */
  readonly roundMessages: number;
}): Row {
  const { name, databases, mustRatio, aimRatio } = options;
  return {
    name,
    what: `distributed, ${databases.join(' and ')}, ${CONCURRENCY} at once`,
    must: `ratio ≥ ${mustRatio}`,
    aim: `ratio ≥ ${aimRatio}`,
    async measure(directory) {
      const environment = slowSyncOfThisProcess();
      const postgres = await startPostgres({ directory: join(directory, 'postgres'), environment });
      const mariadb =
        databases.length === 2 ? await startMariadb({ directory: join(directory, 'mariadb'), environment }) : undefined;
      try {
        const urls = { postgres: postgres.url, ...(mariadb !== undefined && { mariadb: mariadb.url }) };
        return await measureOn(urls, directory, options);
      } finally {
        await Promise.all([postgres.stop(), mariadb?.stop()]);
      }
    },
  };
}

async function measureOn(
  urls: DatabaseUrls,
  directory: string,
  { mustRatio, roundMessages }: { readonly mustRatio: number; readonly roundMessages: number },
): Promise<Measured> {
  const store = join(directory, 'store');
  const raw = new RawReference(join(directory, 'raw'));
  await using bare = new BareDatabases(raw, urls, CONCURRENCY);
  await bare.createTables();
  const manager = await openQueueManager({ directory: store, machine: 'bench', network: false, logger: silentLogger });
  const load = { ...urls, queue: 'work', to: 'out', concurrency: CONCURRENCY };
  const endpoint = await DistributedEndpoint.start(manager, load);
  const latencies = new Durations();
  const utilizations: number[] = [];
  const comparison = await compareInRounds({
    roundCount: ROUNDS,
    reference: () => bare.measure(CONCURRENCY, ROUND_MS),
    measured: async (isWarmUp) => {
      const result = await endpoint.handle(roundMessages, isWarmUp ? undefined : latencies);
      if (!isWarmUp) utilizations.push(result.eventLoopUtilization);
      return result.perSecond;
    },
  });
  await endpoint[Symbol.asyncDispose]();
  await manager.close();
  raw.close();
  const rows = await bare.countRows();
  const stored = await countStored(store);
  const handled = endpoint.handledCount;
  const rowsExpected = handled + bare.cycles;
  const isComplete =
    stored.get('out') === handled &&
    (stored.get('work') ?? 0) === 0 &&
    rows.postgres === rowsExpected &&
    (urls.mariadb === undefined || rows.mariadb === rowsExpected);
  return {
    ...comparedRates(comparison, latencies),
    ok: comparison.ratio >= mustRatio && isComplete,
    details: {
      ratios: comparison.ratios,
      eventLoopUtilization: roundTo(median(utilizations), 2),
      handled,
      countedInStore: stored.get('out') ?? 0,
      rowsInPostgres: rows.postgres,
      rowsInMariadb: rows.mariadb,
      rowsExpected,
    },
  };
}

const CONCURRENCY = 16;
const ROUNDS = 10;
const ROUND_MS = 1_000;
