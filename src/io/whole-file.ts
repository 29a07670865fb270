import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a text file as a whole: whoever reads the path finds what was there before or all of the text, also after a power
 * failure. Without `replaces`, a file that is there already stays, and the system's EEXIST is thrown.
 */
export function writeWholeFile(path: string, text: string, options: WholeFileOptions): void {
  const unfinished = `${path}.unfinished`;
  rmSync(unfinished, { force: true });
  const descriptor = openSync(unfinished, 'wx', options.mode);
  try {
    // The process may be set to take rights away from files that it makes.
    fchmodSync(descriptor, options.mode);
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  try {
    if (options.replaces) renameSync(unfinished, path);
    else linkSync(unfinished, path);
  } finally {
    rmSync(unfinished, { force: true });
  }
  syncDirectory(dirname(path));
}

export interface WholeFileOptions {
  readonly mode: 0o600 | 0o644;
  readonly replaces: boolean;
}

/** True when others than the owner of the file may read it. */
export function isReadableByOthers(path: string): boolean {
  return (statSync(path).mode & 0o044) !== 0;
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
