import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';

function bench(...given: string[]) {
  const program = new URL('run.ts', import.meta.url).pathname;
  return spawnSync(process.execPath, ['--conditions=posthorn-source', program, ...given], { encoding: 'utf8' });
}

describe('npm run bench', () => {
  test('names the row that was probably meant, and the rows that there are', () => {
    const { status, stderr } = bench('handler_65');
    assert.equal(status, 2);
    assert.match(stderr, /Did you mean 'handler_64'\?/);
    assert.match(stderr, /unawaited_1m/);
  });

  test('refuses an option that it does not know', () => {
    assert.equal(bench('--fast').status, 2);
  });
});
