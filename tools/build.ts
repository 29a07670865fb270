import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Builds what is published: `dist/` holds the JavaScript and the declarations of `src/`, without its tests.
 *
 * A type error fails the build and leaves the last good `dist/` as it was. npm runs this as `prepare`, so after `npm ci`
 * and before `npm pack`.
 */
function build(root: string): number {
  const fresh = join(root, `.dist-${process.pid}`);
  try {
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const compiled = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', fresh], {
      cwd: root,
      stdio: 'inherit',
    });
    if (compiled.error !== undefined) throw compiled.error;
    if (compiled.status !== 0 || !existsSync(fresh)) return compiled.status || 1;
    // Swapped in whole, so that whoever loads dist/ meanwhile sees the old one or the new one.
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    renameSync(fresh, join(root, 'dist'));
    return 0;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

process.exitCode = build(join(import.meta.dirname, '..'));
