import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lineAt, readSource } from './source-text.ts';

describe('the scanner of sources', () => {
  test('code keeps its length and lines, and comments and string contents are blank in it', () => {
    const text = `const a = 'Date.now()'; // Date.now()\n/* Math.random()\n */ const b = "it's";\n`;
    const { code } = readSource('a.ts', text);
    assert.equal(code.length, text.length);
    assert.equal(code.split('\n').length, text.split('\n').length);
    assert.doesNotMatch(code, /Date|Math|it/);
    assert.match(code, /const a = ' {10}'; {14}\n/);
    assert.match(code, /const b = " {4}";/);
  });

  test('what stands in the substitution of a template is code, also when templates nest', () => {
    const { code } = readSource(
      'a.ts',
      `const a = \`text \${Date.now() + \`inner \${{ b: 1 }.b} more\`} end\`; live();`,
    );
    assert.match(code, /Date\.now\(\)/);
    assert.match(code, /\{ b: 1 \}\.b/);
    assert.match(code, /live\(\)/);
    assert.doesNotMatch(code, /text|inner|more|end/);
  });

  test('a quote in a regular expression opens no string, and a division is no regular expression', () => {
    const { code } = readSource('a.ts', `const a = /['"\`/]/g.test(x); const b = (one + two) / three / four; live();`);
    assert.match(code, /test\(x\)/);
    assert.match(code, /\(one \+ two\) \/ three \/ four; live\(\)/);
  });

  test('a regular expression after return is blank', () => {
    assert.doesNotMatch(readSource('a.ts', 'return /Date.now/.test(x);').code, /Date/);
  });

  test('an escaped quote does not end its string', () => {
    assert.match(readSource('a.ts', String.raw`const a = 'it\'s Date.now()'; live();`).code, /'; live\(\);$/);
  });

  test('every comment is kept with its place', () => {
    const { comments } = readSource('a.ts', 'one(); // first\n/* second */ two();');
    assert.deepEqual(comments, [
      { offset: 7, text: '// first' },
      { offset: 16, text: '/* second */' },
    ]);
  });

  test('every way to name another file is found, with its line', () => {
    const { imports } = readSource(
      'a.ts',
      [
        `import first from './a.ts';`,
        `import type { B, C } from './b.ts';`,
        `import {`,
        `  D,`,
        `  type E,`,
        `} from './d.ts';`,
        `import * as f from './f.ts';`,
        `import './g.ts';`,
        `export * from './h.ts';`,
        `export * as all from './h2.ts';`,
        `export { I } from './i.ts';`,
        `export type { J } from './j.ts';`,
        `const k = await import('./k.ts');`,
        `type L = import('./l.ts').L;`,
        `const m = await import(where);`,
        `const worker = new Worker(new URL(\`./n-worker\${extension}\`, import.meta.url));`,
        `// import o from './o.ts';`,
        `const p = "import p from './p.ts'";`,
      ].join('\n'),
    );
    assert.deepEqual(
      imports.map((reference) => `${reference.line} ${reference.kind} ${reference.specifier}`),
      [
        '1 import ./a.ts',
        '2 import ./b.ts',
        '3 import ./d.ts',
        '7 import ./f.ts',
        '8 import ./g.ts',
        '9 reexport ./h.ts',
        '10 reexport ./h2.ts',
        '11 reexport ./i.ts',
        '12 reexport ./j.ts',
        '13 dynamic ./k.ts',
        '14 dynamic ./l.ts',
        '15 dynamic undefined',
        '16 url ./n-worker',
      ],
    );
  });

  test('an import of types only is told apart', () => {
    const { imports } = readSource(
      'a.ts',
      "import type { A } from './a.ts';\nexport type { B } from './b.ts';\nimport { type C, d } from './c.ts';\nimport type from './e.ts';",
    );
    assert.deepEqual(
      imports.map(({ isTypeOnly }) => isTypeOnly),
      [true, true, false, false],
    );
  });

  test('an exported declaration is no re-export', () => {
    const { imports } = readSource('a.ts', `export const from = 'x';\nexport function a() {}\nexport { from as b };`);
    assert.deepEqual(imports, []);
  });

  test('lines are counted from one', () => {
    assert.equal(lineAt('a\nb\nc', 0), 1);
    assert.equal(lineAt('a\nb\nc', 1), 1);
    assert.equal(lineAt('a\nb\nc', 2), 2);
    assert.equal(lineAt('a\nb\nc', 4), 3);
  });
});
