import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readRepositoryFile, repositoryFiles } from './repository-files.ts';
import { runTestFile, type TestFileResult } from './run-test-file.ts';
import { CAPABILITIES, describeFile, judge, readRequired } from './test-report.ts';

const directory = mkdtempSync(join(tmpdir(), 'posthorn-run-tests-'));
// Told that it is inside a runner, the inner one would refuse to run. The outer one has its own report by then.
before(() => {
  delete process.env.NODE_TEST_CONTEXT;
});
after(() => rmSync(directory, { recursive: true }));

async function runText(text: string, options?: Parameters<typeof runTestFile>[2]): Promise<TestFileResult> {
  const path = join(directory, 'made-up.test.mjs');
  writeFileSync(path, `import { describe, test } from 'node:test';\n${text}`);
  return await runTestFile(path, directory, options);
}

function result(changes: Partial<TestFileResult> = {}): TestFileResult {
  return { path: 'a.test.ts', durationMs: 10, passed: 1, failures: [], skips: [], output: '', ...changes };
}

describe('running one test file', () => {
  test('tests are counted one by one, and suites are not', async () => {
    const { passed, failures } = await runText("describe('a', () => { test('b', () => {}); test('c', () => {}); });");
    assert.deepEqual([passed, failures], [2, []]);
  });

  test('a failure is told with its suites, its line and its cause, once', async () => {
    const { failures } = await runText("describe('a', () => { test('b', () => { throw new Error('no'); }); });");
    assert.equal(failures.length, 1);
    assert.equal(failures[0]?.name, 'a › b');
    assert.match(failures[0]?.text ?? '', /^at line 2\nError: no\n/);
  });

  test('a failure whose clean-up fails as well is told with both, what failed first at the top', async () => {
    const { failures } = await runText(
      "test('b', async () => { await using it = { [Symbol.asyncDispose]() { throw new Error('second'); } }; throw new Error('first'); });",
    );
    assert.match(failures[0]?.text ?? '', /^at line 2\nError: first\n.*\nand then, cleaning up:\nError: second\n/s);
  });

  test('tests that a broken hook keeps from running are told in one failure', async () => {
    const { failures } = await runText(
      "import { before } from 'node:test'; describe('a', () => { before(() => { throw new Error('no'); }); test('b', () => {}); test('c', () => {}); });",
    );
    assert.deepEqual(
      failures
        .map(({ name, text }) => `${name}: ${text.split('\n').at(-1)}`)
        .filter((line) => line.includes('not run')),
      ['2 tests were not run: a › c'],
    );
    assert.equal(failures.length, 2);
  });

  test('a file that cannot be loaded fails, and its output tells why', async () => {
    const { failures, output } = await runText("throw new Error('broken file');");
    assert.equal(failures.length, 1);
    assert.match(output, /broken file/);
  });

  test('a file without tests fails', async () => {
    assert.equal((await runText('')).failures.length, 1);
  });

  test('a file whose process ends before its tests do fails, also with exit code 0', async () => {
    assert.equal((await runText("test('a', () => {}); test('b', () => process.exit(0));")).failures.length, 1);
    assert.equal((await runText("test('b', () => process.exit(0));")).failures.length, 1);
  });

  test('a file that hangs is killed and named with the test that hangs', async () => {
    const { failures } = await runText(
      "test('a', () => {}); test('b', () => new Promise(() => setInterval(() => {}, 9)));",
      {
        timeoutMs: 1_000,
      },
    );
    assert.deepEqual(failures, [{ name: 'the file', text: "It did not end in time and was killed; not done: 'b'." }]);
  });

  test('a test that is marked todo fails', async () => {
    assert.equal((await runText("test('a', { todo: true }, () => {});")).failures.length, 1);
  });

  test('a skip keeps its reason, of a suite too', async () => {
    const { skips, passed } = await runText(
      "test('a', (t) => t.skip('capability tmpfs missing: no')); describe('b', { skip: true }, () => {}); test('c', () => {});",
    );
    assert.equal(passed, 1);
    assert.deepEqual(skips, [
      { name: 'a', reason: 'capability tmpfs missing: no' },
      { name: 'b', reason: '' },
    ]);
  });
});

describe('the verdict', () => {
  test('the last line has the totals', () => {
    const verdict = judge([result({ passed: 3 }), result({ passed: 2 })], []);
    assert.equal(verdict.succeeded, true);
    assert.equal(verdict.lines.at(-1), '5 passed, 0 failed, 0 skipped');
  });

  test('a run without any test fails', () => {
    assert.equal(judge([], []).succeeded, false);
    assert.equal(judge([result({ passed: 0 })], []).succeeded, false);
  });

  test('one failure fails the run and is listed at the end', () => {
    const verdict = judge([result({ failures: [{ name: 'b', text: 'c' }] })], []);
    assert.equal(verdict.succeeded, false);
    assert.ok(verdict.lines.includes('  a.test.ts: b'));
    assert.equal(verdict.lines.at(-1), '1 passed, 1 failed, 0 skipped');
  });

  const skips = [{ name: 'drains', reason: 'capability tmpfs missing: not root' }];

  test('what this machine cannot do is listed by name and reason, and is no failure', () => {
    const verdict = judge([result({ skips })], []);
    assert.equal(verdict.succeeded, true);
    const from = verdict.lines.indexOf('Not tested on this machine:');
    assert.deepEqual(verdict.lines.slice(from + 1, from + 3), ['  tmpfs: not root', '    - a.test.ts: drains']);
  });

  test('what POSTHORN_REQUIRE names may not be skipped', () => {
    assert.equal(judge([result({ skips })], ['tmpfs']).succeeded, false);
    assert.equal(judge([result({ skips })], ['netns']).succeeded, true);
  });

  test('a skip by any other way is a failure', () => {
    assert.equal(judge([result({ skips: [{ name: 'a', reason: 'later' }] })], []).succeeded, false);
  });

  test('the five slowest files are named, the slowest first', () => {
    const results = [1, 2, 3, 4, 5, 6].map((count) => result({ path: `${count}.test.ts`, durationMs: count * 1000 }));
    const { lines } = judge(results, []);
    const from = lines.indexOf('Slowest files:');
    assert.equal(lines[from + 1], '       6.0 s  6.test.ts');
    assert.equal(lines[from + 5], '       2.0 s  2.test.ts');
    assert.equal(lines[from + 6], '');
  });

  test('a failed file shows its failures and what it wrote', () => {
    const lines = describeFile(result({ failures: [{ name: 'b', text: 'c\nd' }], output: 'said\n' }));
    assert.deepEqual(lines, [
      '✖ a.test.ts  1 passed, 1 failed  (0.0 s)',
      '',
      '  ✖ b',
      '    c',
      '    d',
      '',
      '  Output of the file:',
      '    said',
      '',
    ]);
  });
});

describe('capabilities', () => {
  test('a name in POSTHORN_REQUIRE that nothing knows is told', () => {
    assert.deepEqual(readRequired(' tmpfs, sync-fault,'), { names: ['tmpfs', 'sync-fault'], unknown: ['sync-fault'] });
    assert.deepEqual(readRequired(undefined), { names: [], unknown: [] });
  });

  test('every test asks for a capability that POSTHORN_REQUIRE knows', () => {
    for (const path of repositoryFiles('{src,test}/**/*.ts')) {
      for (const [, name] of readRepositoryFile(path).matchAll(/requireCapability\(\s*\w+,\s*'([^']*)'/g)) {
        assert.ok(
          CAPABILITIES.includes(name ?? ''),
          `${path} asks for '${name}': add it to tools/test-report.ts or correct it`,
        );
      }
    }
  });
});
