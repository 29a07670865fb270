import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Why no small file system can be mounted here; undefined when it can. For `requireCapability(t, 'tmpfs', …)`. */
export function whyNoTmpfs(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`;
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-tmpfs-'));
  const failure = run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'posthorn-test', directory]);
  if (failure === undefined) run('umount', [directory]);
  rmdirSync(directory);
  return failure;
}

/** Mounts a memory file system of its own size; it is gone after the test. */
export function mountTmpfs(t: TestContext, sizeBytes: number): MountedTmpfs {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-tmpfs-'));
  const mounted = run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'posthorn-test', directory]);
  if (mounted !== undefined) throw new Error(`tmpfs could not be mounted: ${mounted}`);
  t.after(() => {
    run('umount', ['-l', directory]);
    rmdirSync(directory);
  });
  const remount = (options: string): void => {
    const failure = run('mount', ['-o', `remount,${options}`, directory]);
    if (failure !== undefined) throw new Error(`tmpfs could not be remounted: ${failure}`);
  };
  return {
    directory,
    setReadOnly: () => remount('ro'),
    setWritable: () => remount('rw'),
    resize: (bytes) => remount(`size=${bytes}`),
  };
}

export interface MountedTmpfs {
  readonly directory: string;
  setReadOnly(): void;
  setWritable(): void;
  resize(sizeBytes: number): void;
}

/** What went wrong, or undefined. */
function run(command: string, commandArguments: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, commandArguments, { encoding: 'utf8' });
  if (error !== undefined) return error.message;
  return status === 0 ? undefined : stderr.trim();
}
