import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { SeedReport } from './seed-worker.ts';

/** Each seed is independent of the others, so every core takes the next one. Resolves when all that were begun have ended. */
export async function runSeeds(options: RunSeedsOptions): Promise<void> {
  let nextSeed = options.firstSeed;
  let isOver = false;
  const endSeed = options.firstSeed + options.seedCount;
  const runWorker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = fork(options.workerUrl, [], { execArgv: ['--conditions=posthorn-source'] });
      const next = (): void => {
        if (isOver || nextSeed >= endSeed) worker.disconnect();
        else worker.send({ seed: nextSeed++, safetyMs: options.safetyMs });
      };
      worker.on('message', (message) => {
        const report = message as SeedReport;
        if (options.done(report) === 'stop') isOver = true;
        next();
      });
      worker.once('error', reject);
      worker.once('exit', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`a process that ran seeds ended with ${code}`));
      });
      next();
    });
  const workerCount = Math.min(options.workersMax ?? availableParallelism(), options.seedCount);
  await Promise.all(Array.from({ length: workerCount }, runWorker));
}

export interface RunSeedsOptions {
  /** Of `seed-worker.ts`, here or in a copy. */
  readonly workerUrl: URL;
  readonly firstSeed: number;
  readonly seedCount: number;
  readonly safetyMs?: number | undefined;
  readonly workersMax?: number;
  /** `stop`: no further seed is begun. */
  done(report: SeedReport): 'stop' | undefined;
}
