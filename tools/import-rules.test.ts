import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkImports } from './import-rules.ts';
import { readSource } from './source-text.ts';

const PACKAGES = { name: 'posthorn', shipped: ['msgpackr', '@clack/prompts'], development: ['zod'] };

/** `path:line rule what` of each finding among files that are given as path and text. */
function findings(files: Readonly<Record<string, string>>, rule?: string): string[] {
  const sources = Object.entries(files).map(([path, text]) => readSource(path, text));
  return checkImports(sources, PACKAGES)
    .filter((finding) => rule === undefined || finding.rule === rule)
    .map((finding) => `${finding.path}:${finding.line} ${finding.rule} ${finding.what}`);
}

describe('layers', () => {
  test('an import up the table is refused', () => {
    assert.deepEqual(findings({ 'src/queues/a.ts': "\nimport { b } from '../endpoint/b.ts';" }, 'layers'), [
      'src/queues/a.ts:2 layers ../endpoint/b.ts',
    ]);
  });

  test('an import of types only is an import too', () => {
    assert.equal(findings({ 'src/message/a.ts': "import type { B } from '../io/b.ts';" }, 'layers').length, 1);
    assert.equal(findings({ 'src/message/a.ts': "type B = import('../io/b.ts').B;" }, 'layers').length, 1);
  });

  test('an import sideways is refused, between the transports too', () => {
    assert.equal(findings({ 'src/routing/a.ts': "import { b } from '../recoverability/b.ts';" }, 'layers').length, 1);
    const sideways = { 'src/transports/remote/a.ts': "import { b } from '../queue-manager/b.ts';" };
    assert.equal(findings(sideways, 'layers').length, 1);
  });

  test('a folder that fulfils a seam may import its types and nothing that runs', () => {
    assert.deepEqual(findings({ 'src/queues/a.ts': "import type { B } from '../transport/b.ts';" }, 'layers'), []);
    assert.equal(findings({ 'src/queues/a.ts': "import { B } from '../transport/b.ts';" }, 'layers').length, 1);
  });

  test('an import down the table and inside a folder is let through', () => {
    const files = {
      'src/queues/a.ts': "import { b } from '../store/b.ts';\nimport { c } from './c.ts';\nimport './deeper/d.ts';",
    };
    assert.deepEqual(findings(files, 'layers'), []);
  });

  test('the public edges are for users only, by path and by name', () => {
    assert.equal(findings({ 'src/testing/a.ts': "import { b } from '../exports/posthorn.ts';" }, 'layers').length, 1);
    assert.equal(findings({ 'src/testing/a.ts': "import { b } from 'posthorn/testing';" }, 'layers').length, 1);
    assert.deepEqual(findings({ 'src/exports/testing.ts': "export { b } from '../testing/b.ts';" }), []);
  });

  test('a folder without a place in the table is refused', () => {
    assert.deepEqual(findings({ 'src/utilities/a.ts': '' }, 'layers'), ['src/utilities/a.ts:1 layers src/utilities']);
    assert.deepEqual(findings({ 'src/a.ts': '' }, 'layers'), ['src/a.ts:1 layers src']);
  });

  test('src stands alone, but its tests may take support from test and from testing', () => {
    assert.equal(findings({ 'src/store/a.ts': "import { b } from '../../tools/b.ts';" }, 'layers').length, 1);
    assert.equal(findings({ 'src/store/a.ts': "import { b } from '../../test/support/b.ts';" }, 'layers').length, 1);
    const inTest = "import { b } from '../../test/support/b.ts';\nimport { c } from '../testing/c.ts';";
    assert.deepEqual(findings({ 'src/store/a.test.ts': inTest }), []);
  });
});

describe('how an import is written', () => {
  test('it names its file, no barrel, and computes nothing', () => {
    for (const code of ["import './b.js';", "import './b';", "import '..';", "import './index.ts';", 'import(name);']) {
      assert.equal(findings({ 'src/store/a.ts': code }, 'imports').length, 1, code);
    }
  });

  test('a package is one that users get, except in tests', () => {
    const code =
      "import { z } from 'zod';\nimport { pack } from 'msgpackr';\nimport '@clack/prompts/sub';\nimport 'node:path';";
    assert.deepEqual(findings({ 'src/store/a.ts': code }, 'packages'), ['src/store/a.ts:1 packages zod']);
    assert.deepEqual(findings({ 'src/store/a.test.ts': code }, 'packages'), []);
    assert.deepEqual(findings({ 'src/store/a.ts': "import 'left-pad';" }, 'packages'), [
      'src/store/a.ts:1 packages left-pad',
    ]);
  });

  test('the demo and the examples import what users import', () => {
    assert.deepEqual(findings({ 'demo/a.ts': "import { b } from '../src/store/b.ts';" }), [
      'demo/a.ts:1 imports ../src/store/b.ts',
    ]);
    assert.deepEqual(findings({ 'demo/a.ts': "import { b } from 'posthorn';\nimport { c } from './c.ts';" }), []);
  });
});

describe('re-exports', () => {
  test('are refused outside exports, also in two steps', () => {
    const code =
      "import { b as c, type D } from './b.ts';\nexport * from './b.ts';\nexport { e } from './b.ts';\nexport { c, f };\nexport type { D };";
    assert.deepEqual(findings({ 'src/store/a.ts': code }, 're-exports'), [
      'src/store/a.ts:2 re-exports ./b.ts',
      'src/store/a.ts:3 re-exports ./b.ts',
      'src/store/a.ts:4 re-exports c',
      'src/store/a.ts:5 re-exports D',
    ]);
  });

  test('exporting what the file itself declares is none', () => {
    assert.deepEqual(
      findings({ 'src/store/a.ts': "import { b } from './b.ts';\nconst c = b;\nexport { c, c as b };" }, 're-exports'),
      [],
    );
  });
});

describe('cycles', () => {
  test('a knot is told once, with the shortest way around it', () => {
    const files = {
      'src/store/a.ts': "import './x.ts';\nimport { b } from './b.ts';",
      'src/store/b.ts': "import type { C } from './c.ts';",
      'src/store/c.ts': "import { a } from './a.ts';",
      'src/store/x.ts': '',
    };
    assert.deepEqual(findings(files, 'cycles'), [
      'src/store/a.ts:2 cycles src/store/a.ts → src/store/b.ts → src/store/c.ts → src/store/a.ts',
    ]);
  });

  test('a file that imports itself is a knot', () => {
    assert.equal(findings({ 'src/store/a.ts': "import './a.ts';" }, 'cycles').length, 1);
  });

  test('two ways to one file are none, and the URL of a worker is no import', () => {
    const files = {
      'src/store/a.ts': "import './b.ts';\nimport './c.ts';\nnew URL('./d.ts', import.meta.url);",
      'src/store/b.ts': "import './c.ts';",
      'src/store/c.ts': '',
      'src/store/d.ts': "import './a.ts';",
    };
    assert.deepEqual(findings(files, 'cycles'), []);
  });
});

describe('dead files', () => {
  test('what no entry reaches is told apart from what only tests reach', () => {
    const files = {
      'src/exports/posthorn.ts': "export { a } from '../store/a.ts';",
      'src/cli/main.ts': '',
      'src/store/a.ts': 'new Worker(new URL(`./worker` + extension, import.meta.url));',
      'src/store/worker.ts': '',
      'src/store/dead.ts': "import './dead-too.ts';",
      'src/store/dead-too.ts': '',
      'src/store/helper.ts': '',
      'src/store/a.test.ts': "import './helper.ts';\nimport '../testing/suite.ts';",
      'src/testing/suite.ts': '',
    };
    assert.deepEqual(findings(files, 'dead files'), [
      'src/store/dead.ts:1 dead files dead.ts',
      'src/store/dead-too.ts:1 dead files dead-too.ts',
      'src/store/helper.ts:1 dead files helper.ts',
    ]);
    const because = checkImports(
      Object.entries(files).map(([path, text]) => readSource(path, text)),
      PACKAGES,
    ).map((finding) => finding.because);
    assert.match(because[0] ?? '', /nothing that starts at/);
    assert.match(because[2] ?? '', /only tests reach/);
  });
});
