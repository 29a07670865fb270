import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorClass, findErrorClasses, readErrorRows } from './error-classes.ts';
import { readRepositoryFile, repositoryFiles } from './repository-files.ts';
import { readSource } from './source-text.ts';

const DOCUMENT = 'docs/errors.md';
const rows = readErrorRows(readRepositoryFile(DOCUMENT));
const classes = findErrorClasses(
  repositoryFiles('src/**/*.ts')
    .filter((path) => !path.endsWith('.test.ts'))
    .map((path) => readSource(path, readRepositoryFile(path))),
);
const concrete = classes.filter(({ isAbstract }) => !isAbstract);

function placeOf({ path, line, name }: ErrorClass): string {
  return `${path}:${line} ${name}`;
}

describe('docs/errors.md and the error classes', () => {
  test('every error class has a code of its own, in upper case', () => {
    const owners = new Map<string, ErrorClass>();
    for (const found of concrete) {
      assert.ok(found.code !== undefined, `${placeOf(found)} has no \`readonly code = '…'\` of its own`);
      assert.match(found.code, /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/, `${placeOf(found)}: write the code LIKE_THIS`);
      assert.doesNotMatch(found.code, /^POSTHORN_/, `${placeOf(found)}: a code has no prefix`);
      const owner = owners.get(found.code);
      assert.ok(owner === undefined, `${placeOf(found)} uses the code of ${owner && placeOf(owner)}: ${found.code}`);
      owners.set(found.code, found);
    }
  });

  test('every code has exactly one row, which says when and what to do', () => {
    for (const found of concrete) {
      const matching = rows.filter(({ code }) => code === found.code);
      assert.equal(matching.length, 1, `${placeOf(found)}: ${DOCUMENT} needs one row for ${found.code}`);
    }
    for (const { code, when, mend, line } of rows) {
      assert.ok(when.length >= 20, `${DOCUMENT}:${line} does not say when ${code} is thrown`);
      assert.ok(mend.length >= 20, `${DOCUMENT}:${line} does not say how to mend ${code}`);
    }
  });

  test('every row has its class', () => {
    for (const { code, line } of rows) {
      assert.ok(
        concrete.some((found) => found.code === code),
        `${DOCUMENT}:${line}: no class in src/ has the code ${code}; remove the row or add the class`,
      );
    }
  });

  test('rows stand in the order of their codes', () => {
    const codes = rows.map(({ code }) => code);
    assert.deepEqual(codes, [...codes].sort());
  });

  test('error classes stand in the errors.ts of their folder', () => {
    for (const found of classes) {
      assert.match(
        found.path,
        /\/(?:errors|posthorn-error)\.ts$/,
        `${placeOf(found)}: move it to the errors.ts of its folder`,
      );
    }
  });

  test('the classes were really read', () => {
    assert.ok(concrete.length >= 20, `only ${concrete.length} classes found`);
  });
});

describe('the search for error classes', () => {
  test('finds children of children, their own code only, and no strangers', () => {
    const source = readSource(
      'src/a/errors.ts',
      [
        'export abstract class Middle extends PosthornError {}',
        "export class A extends PosthornError { override readonly code = 'A_CODE'; }",
        "export class B extends Middle { constructor() { const code = 'INNER'; } readonly code: 'B_CODE' = 'B_CODE'; }",
        "class C extends Map { readonly code = 'NO_ERROR'; }",
        "// class D extends PosthornError { readonly code = 'COMMENT'; }",
        'class E extends A {}',
      ].join('\n'),
    );
    assert.deepEqual(
      findErrorClasses([source]).map(({ name, line, isAbstract, code }) => `${line} ${name} ${isAbstract} ${code}`),
      ['1 Middle true undefined', '2 A false A_CODE', '3 B false B_CODE', '6 E false undefined'],
    );
  });

  test('reads rows of tables with that head only', () => {
    const markdown =
      '| a | b |\n|---|---|\n| X | y |\n\n| code | when | mend |\n|---|---|---|\n| `A` | b \\| c | d |\n\nText | X |\n';
    assert.deepEqual(readErrorRows(markdown), [{ code: 'A', when: 'b \\| c', mend: 'd', line: 7 }]);
  });
});
