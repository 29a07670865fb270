import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * A fresh directory on a disk, gone when disposed.
 *
 * @param parent - where to make it; default: the system's directory for temporary files
 * @throws {NotADisk} it lies in memory, where a sync costs nothing and no figure would mean anything
 */
export function makeBenchDirectory(parent: string = tmpdir()): BenchDirectory {
  const type = statfsSync(parent).type;
  if (IN_MEMORY.has(type)) throw new NotADisk(resolve(parent));
  const path = mkdtempSync(join(parent, 'posthorn-bench-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface BenchDirectory extends Disposable {
  readonly path: string;
}

/** Linux' magic numbers of tmpfs and ramfs. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

export class NotADisk extends Error {
  constructor(parent: string) {
    super(`'${parent}' lies in memory (tmpfs), where a sync is free. Name a directory on a disk with --directory DIR.`);
  }
}
