import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const REPOSITORY = join(import.meta.dirname, '..');

/** Paths relative to the repository, with `/`, in order; patterns as `node:fs` globs. */
export function repositoryFiles(...patterns: readonly string[]): string[] {
  const found = globSync(patterns, {
    cwd: REPOSITORY,
    exclude: (path) => /(?:^|[\\/])(?:node_modules|dist|\.[^.\\/][^\\/]*)$/.test(path),
  });
  return [...new Set(found.map((path) => path.replaceAll('\\', '/')))].sort();
}

export function readRepositoryFile(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8');
}
