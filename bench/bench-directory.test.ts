import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { describe, test } from 'node:test';
import { requireCapability } from '../test/support/capabilities.ts';
import { mountTmpfs, whyNoTmpfs } from '../test/support/tmpfs.ts';
import { makeBenchDirectory, NotADisk } from './bench-directory.ts';

describe('the directory of the bench', () => {
  test('is made fresh on a disk, and is gone when it was used', () => {
    // Beside the sources, which nobody keeps in memory.
    const directory = makeBenchDirectory(import.meta.dirname);
    assert.ok(statSync(directory.path).isDirectory());
    directory[Symbol.dispose]();
    assert.equal(existsSync(directory.path), false);
  });

  test('is refused where a sync costs nothing', (t) => {
    if (!requireCapability(t, 'tmpfs', whyNoTmpfs)) return;
    const { directory } = mountTmpfs(t, 1024 * 1024);
    assert.throws(() => makeBenchDirectory(directory), NotADisk);
  });
});
