import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/**
 * Builds the library of sync-faults.c once per test file. `whyMissing` is set where that cannot be done.
 * For `requireCapability(t, 'sync-faults', …)`.
 */
export function buildSyncFaults(): { readonly whyMissing: string | undefined; readonly libraryPath: string } {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-sync-faults-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const libraryPath = join(directory, 'sync-faults.so');
  return { whyMissing: build(libraryPath), libraryPath };
}

function build(libraryPath: string): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, and only Linux preloads the library`;
  const source = join(import.meta.dirname, 'sync-faults.c');
  const built = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', libraryPath, source, '-ldl', '-lpthread'], {
    encoding: 'utf8',
  });
  if (built.error !== undefined) return `no C compiler: ${built.error.message}`;
  return built.status === 0 ? undefined : built.stderr.trim();
}

/** The environment of a child whose syncs are to fail, and where its orders and its log are. */
export function syncFaultEnvironment(libraryPath: string, directory: string): Record<string, string> {
  return {
    LD_PRELOAD: libraryPath,
    SYNC_FAULTS_CONTROL: join(directory, 'sync-orders'),
    SYNC_FAULTS_LOG: join(directory, 'sync-log'),
  };
}

let generation = 0;

/** Called in the child: orders hold for every sync that starts from now on. */
export function orderSyncs(orders: SyncOrders): void {
  const failures = orders.failures === 'all' ? -1 : (orders.failures ?? 0);
  const numbers = [++generation, Math.round((orders.delayMs ?? 0) * 1000), orders.successesFirst ?? 0, failures];
  writeFileSync(process.env.SYNC_FAULTS_CONTROL ?? '', `${numbers.join(' ')}\n`);
}

export interface SyncOrders {
  readonly delayMs?: number;
  /** Syncs that succeed before those that fail. */
  readonly successesFirst?: number;
  readonly failures?: number | 'all';
}

export interface SyncLine {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly succeeded: boolean;
  readonly path: string;
}

/** What the child's syncs did, in the order of their ends. */
export function readSyncLog(path: string): SyncLine[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [start = '0', end = '0', result, file = ''] = line.split(' ');
    return { startNs: BigInt(start), endNs: BigInt(end), succeeded: result === '0', path: file };
  });
}
