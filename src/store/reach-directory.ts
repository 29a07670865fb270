import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StoreUnreachable } from './errors.ts';

/**
 * Sees to it that a store can lie in the directory: makes it when it is missing, for its user alone, and looks whether this
 * process may work in it. One that is there stays as it is, and may be anybody's: a volume that a group shares is one.
 *
 * @param files - of those in it that are there, this process must be able to read and write each
 * @throws {StoreUnreachable} with the path and the reason
 */
export function reachDirectory(directory: string, files: readonly string[] = []): void {
  if (directory === '') throw new StoreUnreachable('', 'its name is empty');
  try {
    // Made only where nothing is: over a file, the system would say no more than that it exists.
    const found = statSync(directory, { throwIfNoEntry: false });
    if (found === undefined) mkdirSync(directory, { recursive: true, mode: 0o700 });
    else if (!found.isDirectory()) throw new StoreUnreachable(resolve(directory), 'it is not a directory');
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    for (const path of files.map((file) => join(directory, file))) {
      if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
    }
  } catch (error) {
    if (error instanceof StoreUnreachable) throw error;
    throw new StoreUnreachable(resolve(directory), error instanceof Error ? error.message : String(error));
  }
}
