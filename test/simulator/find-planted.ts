import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { PlantedBug } from './planted-bugs.ts';
import type { SeedReport } from './seed-worker.ts';
import { runSeeds } from './worker-pool.ts';

/**
 * Plants a bug in a copy of the sources and runs seeds there until one fails; undefined when none does. The copy lies in
 * the repository, so that packages are found from it, under a name that git leaves out.
 */
export async function findPlanted(
  bug: PlantedBug,
  options: { readonly seedCount: number; readonly firstSeed: number },
): Promise<FoundBug | undefined> {
  const copy = mkdtempSync(join(REPOSITORY, '.planted-'));
  try {
    cpSync(join(REPOSITORY, 'src'), join(copy, 'src'), { recursive: true });
    cpSync(join(REPOSITORY, 'test/simulator'), join(copy, 'test/simulator'), { recursive: true });
    cpSync(join(REPOSITORY, 'package.json'), join(copy, 'package.json'));
    for (const edit of bug.edits) plant(copy, edit);
    let first: SeedReport | undefined;
    await runSeeds({
      ...options,
      workerUrl: pathToFileURL(join(copy, 'test/simulator/seed-worker.ts')),
      done: (report) => {
        if (report.failure === undefined) return undefined;
        if (first === undefined || report.seed < first.seed) first = report;
        return 'stop';
      },
    });
    if (first?.failure === undefined) return undefined;
    return { seed: first.seed, seedsNeeded: first.seed - options.firstSeed + 1, ...first.failure };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

export interface FoundBug {
  readonly seed: number;
  readonly seedsNeeded: number;
  readonly check: string;
  readonly text: string;
}

function plant(copy: string, edit: PlantedBug['edits'][number]): void {
  const path = join(copy, edit.file);
  const parts = readFileSync(path, 'utf8').split(edit.find);
  if (parts.length !== 2) {
    throw new Error(
      `The text of a planted bug occurs ${parts.length - 1} times in ${edit.file}, it must be there once: ${edit.find}`,
    );
  }
  writeFileSync(path, parts.join(edit.replace));
}

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
