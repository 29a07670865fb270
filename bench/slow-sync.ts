import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * The environment of a process whose syncs each take `delayMs` longer than the disk needs, as on a slower disk: ratios
 * say little where a sync costs less than the message that it makes durable.
 *
 * @param directory - where to build the small library that does it
 * @throws {NoSlowSync} it cannot be built or loaded on this machine
 */
export function slowSyncEnvironment(directory: string, delayMs: number): Record<string, string> {
  if (process.platform !== 'linux') throw new NoSlowSync(`this is ${process.platform}, not Linux`);
  const library = join(directory, 'slow-sync.so');
  const source = join(import.meta.dirname, 'slow-sync.c');
  const built = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], { encoding: 'utf8' });
  if (built.error !== undefined) throw new NoSlowSync(`there is no C compiler (${built.error.message})`);
  if (built.status !== 0) throw new NoSlowSync(built.stderr.trim());
  return { LD_PRELOAD: library, SLOW_SYNC_US: String(Math.round(delayMs * 1000)) };
}

/** For a server that a row starts: its syncs are as slow as this process' own. */
export function slowSyncOfThisProcess(): Record<string, string> {
  const { LD_PRELOAD, SLOW_SYNC_US } = process.env;
  return LD_PRELOAD === undefined || SLOW_SYNC_US === undefined ? {} : { LD_PRELOAD, SLOW_SYNC_US };
}

export class NoSlowSync extends Error {
  constructor(why: string) {
    super(`Syncs cannot be made slower here: ${why}. Leave --slow-sync out.`);
  }
}
