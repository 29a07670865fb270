import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeFinding } from './finding.ts';
import { checkFile, LINES_PER_FILE_MAX } from './house-rules.ts';
import { readSource } from './source-text.ts';

/** `line rule what` of each finding. */
function findings(path: string, text: string): string[] {
  return checkFile(readSource(path, text)).map(({ line, rule, what }) => `${line} ${rule} ${what}`);
}

describe('the size of a file', () => {
  test('400 lines are one idea and 401 are two', () => {
    const lines = (count: number): string => 'a();\n'.repeat(count);
    assert.deepEqual(findings('src/queues/a.ts', lines(LINES_PER_FILE_MAX)), []);
    assert.deepEqual(findings('src/queues/a.ts', lines(LINES_PER_FILE_MAX + 1)), ['401 size 401 lines']);
  });
});

describe('the doors', () => {
  const reachesOut: readonly (readonly [string, string])[] = [
    ['const a = Date.now();', 'Date.now'],
    ['const a = clock ?? Date.now;', 'Date.now'],
    ['const a = globalThis.Date.now();', 'Date.now'],
    ['const a = new Date();', 'new Date()'],
    ['const a = [new Date];', 'new Date()'],
    ['const a = Date();', 'Date()'],
    ['const a = performance.now();', 'performance.now'],
    ['const a = process.hrtime.bigint();', 'process.hrtime'],
    ['const a = Math.random();', 'Math.random'],
    ['const a = crypto.randomUUID();', 'randomUUID'],
    ['setTimeout(a, 1);', 'setTimeout'],
    ['globalThis.setTimeout(a, 1);', 'setTimeout'],
    ['const a = { later: setInterval };', 'setInterval'],
    ['await new Promise(setImmediate);', 'setImmediate'],
    ['const a = AbortSignal.timeout(1);', 'AbortSignal.timeout'],
    ["await fetch('x');", 'fetch'],
    ["const fs = process.getBuiltinModule('fs');", 'getBuiltinModule'],
    ["import { readFile } from 'node:fs/promises';", 'node:fs/promises'],
    ["import { readFileSync } from 'fs';", 'node:fs'],
    ["import type { Socket } from 'node:net';", 'node:net'],
    ["const dns = await import('node:dns');", 'node:dns'],
    ["import { setTimeout as sleep } from 'node:timers/promises';", 'node:timers/promises'],
    ["import { DatabaseSync } from 'node:sqlite';", 'node:sqlite'],
    ["import { spawn } from 'node:child_process';", 'node:child_process'],
  ];
  for (const [code, what] of reachesOut) {
    test(`outside io and store, \`${code}\` is refused by name`, () => {
      assert.ok(
        findings('src/queues/a.ts', code).includes(`1 doors ${what}`),
        findings('src/queues/a.ts', code).join(),
      );
    });
  }

  const staysInside = [
    'const a = new Date(nowMs);',
    'const a = io.clock.wallNowMs();',
    'timers.setTimeout(a, 1);',
    'const options = { setTimeout: 1, fetch: 2 };',
    'interface A { readonly fetch: (id: string) => void }',
    'this.fetch(1);',
    'const a = Date.parse(text);',
    'Math.max(1, 2);',
    "// Date.now() is not for us\nconst a = 'setTimeout(x)';",
    'class UpdateDate {}\nnew UpdateDate();',
    "import { join } from 'node:path';",
  ];
  for (const code of staysInside) {
    test(`\`${code.replaceAll('\n', ' ')}\` reaches nothing and is let through`, () => {
      assert.deepEqual(findings('src/queues/a.ts', code), []);
    });
  }

  test('io and store are the doors, and tests stand outside', () => {
    const code = "import { readFileSync } from 'node:fs';\nDate.now();";
    assert.equal(findings('src/queues/a.ts', code).length, 2);
    for (const path of ['src/io/a.ts', 'src/store/a.ts', 'src/queues/a.test.ts', 'tools/a.ts']) {
      assert.deepEqual(findings(path, code), [], path);
    }
  });

  test('a folder whose name only begins like io is no door', () => {
    assert.equal(findings('src/iodine/a.ts', 'Date.now();').length, 1);
  });

  test('the answer names file, line, rule, what was found and the door to use', () => {
    const [finding] = checkFile(readSource('src/queues/a.ts', '\nconst a = Math.random();'));
    assert.ok(finding !== undefined);
    assert.equal(
      describeFinding(finding),
      "src/queues/a.ts:2 [doors] 'Math.random': outside src/io and src/store nothing reaches the clock, chance, timers, " +
        'files or sockets. Take `io.random`: uuid() or fraction() (src/io/io.ts).',
    );
  });
});

describe('sleeping', () => {
  test('a test that waits for time to pass is refused, wherever it stands', () => {
    for (const path of ['src/io/a.test.ts', 'test/acceptance/when-a.test.ts', 'test/support/a.ts', 'tools/a.test.ts']) {
      assert.deepEqual(findings(path, 'await new Promise((resolve) => setTimeout(resolve, 10));'), [
        '1 sleep setTimeout',
      ]);
      assert.deepEqual(findings(path, "import * as timers from 'node:timers/promises';"), [
        '1 sleep node:timers/promises',
      ]);
    }
  });

  test('a test may bound its waiting', () => {
    assert.deepEqual(findings('src/queues/a.test.ts', 'await once(a, b, { signal: AbortSignal.timeout(1_000) });'), []);
  });
});

describe('types', () => {
  const switchedOff = [
    'let a: any;',
    'const a = b as any;',
    'function a(b: any) {}',
    'const a: Map<string, any> = b;',
    'type A = string | any;',
    'const a = <T extends any>(b: T) => b;',
    'let a: any[];',
    'let a: (b: string) => any;',
  ];
  for (const code of switchedOff) {
    test(`\`${code}\` is refused`, () => assert.deepEqual(findings('src/queues/a.ts', code), ['1 types any']));
  }

  test('the word is free elsewhere, and a type may have a reason on the line above', () => {
    assert.deepEqual(
      findings('src/queues/a.ts', 'Promise.any(a);\nconst b = { any: 1 };\n// any\nconst many: string = "any";'),
      [],
    );
    const excused = '// biome-ignore lint/suspicious/noExplicitAny: the builder forgets its stage here\nlet a: any;';
    assert.deepEqual(findings('src/queues/a.ts', excused), []);
    const inCondition =
      'type A<T> = T extends B\n  ? C\n  : // biome-ignore lint/suspicious/noExplicitAny: untyped here\n    any;';
    assert.deepEqual(findings('src/queues/a.ts', inCondition), []);
  });
});

describe('errors', () => {
  test('an error without a code is refused in src, and tests may throw what they like', () => {
    for (const code of ["throw new Error('x');", "throw new TypeError('x');", "throw Error('x');"]) {
      assert.equal(findings('src/store/a.ts', code).length, 1, code);
      assert.deepEqual(findings('src/store/a.test.ts', code), []);
    }
  });

  test('errors with a name of their own, and several kept together, are let through', () => {
    assert.deepEqual(
      findings('src/store/a.ts', 'throw new StoreFull(1);\nthrow new AggregateError([a, b]);\nisError(a);'),
      [],
    );
  });

  test('an empty catch needs a sentence', () => {
    assert.deepEqual(findings('src/store/a.ts', 'a();\ntry {\n  b();\n} catch {}'), ['4 errors empty catch']);
    assert.deepEqual(findings('src/store/a.ts', 'a().catch(() => {});'), ['1 errors empty catch']);
    assert.deepEqual(findings('src/store/a.ts', 'a().catch(() => undefined);'), ['1 errors empty catch']);
    assert.deepEqual(findings('src/store/a.ts', 'try {\n  b();\n} catch {\n  // It was gone already.\n}'), []);
    assert.deepEqual(findings('src/store/a.ts', '// Told by the other promise.\na().catch(() => {});'), []);
    assert.deepEqual(findings('src/store/a.ts', 'a().catch((error) => report(error));'), []);
  });
});

describe('reasons', () => {
  test('an exception without a reason is refused', () => {
    assert.deepEqual(findings('src/store/a.ts', '// @ts-expect-error'), ['1 reasons @ts-expect-error']);
    assert.deepEqual(findings('src/store/a.ts', '// biome-ignore lint/style/x:'), ['1 reasons biome-ignore']);
    assert.deepEqual(findings('src/store/a.ts', '// biome-ignore lint/style/x: <explanation>'), [
      '1 reasons biome-ignore',
    ]);
    assert.deepEqual(findings('test/a.ts', '/* biome-ignore-all lint: ok */'), ['1 reasons biome-ignore-all']);
  });

  test('errors may not be hidden before they are there, whatever the reason', () => {
    assert.deepEqual(findings('src/store/a.ts', '// @ts-ignore: the types of the library lag behind'), [
      '1 reasons @ts-ignore',
    ]);
    assert.deepEqual(findings('src/store/a.ts', '// @ts-nocheck it is generated'), ['1 reasons @ts-nocheck']);
  });

  test('a reason excuses, and talking about a directive is none', () => {
    assert.deepEqual(findings('src/store/a.ts', '// @ts-expect-error: an event cannot be sent'), []);
    assert.deepEqual(findings('src/store/a.ts', '// biome-ignore lint/style/x: the wire format has null here'), []);
    assert.deepEqual(findings('src/store/a.ts', '// We never write @ts-ignore.'), []);
  });
});
