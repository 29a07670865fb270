import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MILLION = 1_000_000;

describe('when nobody awaits the sends', () => {
  test('a million sends of 1 KiB hold less than 300 MB while they wait, run in a heap of 300 MB, and all arrive', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-million-'));
    const program = fileURLToPath(new URL('../support/send-a-million.ts', import.meta.url));
    const flags = ['--conditions=posthorn-source', '--expose-gc', '--max-old-space-size=300'];
    const { stdout } = await run(process.execPath, [...flags, program, directory, String(MILLION)]);
    const { heldWhileWaiting, stored, peakBytes } = JSON.parse(stdout);
    t.diagnostic(
      `${Math.round(heldWhileWaiting / MILLION)} bytes a send; peak resident ${Math.round(peakBytes / 1e6)} MB`,
    );
    assert.ok(heldWhileWaiting < 300e6, `${heldWhileWaiting} bytes were held`);
    assert.equal(stored, MILLION);
  });
});
