import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** True when something is at `path`. */
export function exists(path: string): boolean {
  return existsSync(path);
}

/** Names in a directory; undefined when there is no directory at `path`. */
export function namesIn(path: string): readonly string[] | undefined {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The path with links followed. Throws the system's error when nothing is there. */
export function realPath(path: string): string {
  return realpathSync(path);
}

/** Makes a directory that its owner alone may enter; an existing one is narrowed to that, never widened. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  narrow(path);
}

/** Lets nobody but its owner into a directory, where that is ours to say; a volume of somebody else stays as it is. */
export function narrowDirectory(path: string): void {
  try {
    narrow(path);
  } catch (error) {
    if (!isSystemError(error, 'EPERM', 'ENOTSUP')) throw error;
  }
}

function narrow(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** True when something is at `path` that belongs to another user. A link counts as its maker's, wherever it leads. */
export function belongsToAnother(path: string): boolean {
  const owner = lstatSync(path, { throwIfNoEntry: false })?.uid;
  return owner !== undefined && process.geteuid !== undefined && owner !== process.geteuid();
}

/** Takes a file off the disk; harmless when it is not there. */
export function removeFile(path: string): void {
  rmSync(path, { force: true });
}

/** The bytes of a file. Rejects with the system's error. */
export function readBytes(path: string): Promise<Uint8Array> {
  return readFile(path);
}

/** Room on the disk that holds a directory, as far as this user may take it. Throws the system's error. */
export function diskRoom(path: string): { readonly freeBytes: number; readonly totalBytes: number } {
  const { bavail, blocks, bsize } = statfsSync(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** A directory for sockets and the like that lasts as long as the session: the user's runtime directory, or one under the temporary directory. */
export function runtimeDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const named = environment.XDG_RUNTIME_DIR;
  if (named !== undefined && named !== '' && existsSync(named)) return join(named, 'posthorn');
  return join(tmpdir(), `posthorn-${userInfo().uid}`);
}

/** True for an error of the operating system with one of these codes. */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}
