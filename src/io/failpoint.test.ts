import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { FAILPOINT_REACHED, FAILPOINTS, TRANSACTION_FAILPOINTS, TRANSFER_FAILPOINTS } from './failpoint.ts';

const PROGRAM = `
  import { failpoint } from '${new URL('./failpoint.ts', import.meta.url).href}';
  for (let passage = 1; passage <= 3; passage++) {
    process.stdout.write(String(passage));
    failpoint('unit.handed-over');
    failpoint('loop.committed');
  }`;

function run(armed: string | undefined) {
  const { POSTHORN_FAILPOINT: _, ...environment } = process.env;
  const env = armed === undefined ? environment : { ...environment, POSTHORN_FAILPOINT: armed };
  return spawnSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], { env, encoding: 'utf8' });
}

describe('failpoint', () => {
  test('an armed failpoint kills the process at the passage it was set to, and says so', () => {
    const { stdout, stderr, signal } = run('loop.committed:2');
    assert.equal(stdout, '12');
    assert.equal(signal, 'SIGKILL');
    assert.match(stderr, new RegExp(`^${FAILPOINT_REACHED}: loop.committed$`, 'm'));
  });

  test('without the variable, and with another name in it, every failpoint lets pass', () => {
    assert.equal(run(undefined).stdout, '123');
    assert.equal(run('purge.before-page:1').stdout, '123');
  });

  test('every failpoint of the list stands at exactly one place in src/', () => {
    const sources = globSync('src/**/*.ts').filter(
      (path) => !path.endsWith('.test.ts') && path !== 'src/io/failpoint.ts',
    );
    const calls = sources.flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(/\bfailpoint\('([^']+)'\)/g)].map((match) => match[1]),
    );
    assert.deepEqual(calls.sort(), [...FAILPOINTS, ...TRANSFER_FAILPOINTS, ...TRANSACTION_FAILPOINTS].sort());
  });
});
