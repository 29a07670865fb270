import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeFinding, type Finding } from './finding.ts';
import { checkFile } from './house-rules.ts';
import { checkImports } from './import-rules.ts';
import { EXCEPTIONS, type Exception, LAYERS } from './layers.ts';
import { readRepositoryFile, repositoryFiles } from './repository-files.ts';
import { readSource } from './source-text.ts';

const sources = repositoryFiles('{src,tools,test,bench,demo,examples}/**/*.ts').map((path) =>
  readSource(path, readRepositoryFile(path)),
);
const manifest = JSON.parse(readRepositoryFile('package.json'));
const packages = {
  name: manifest.name,
  shipped: Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }),
  development: Object.keys(manifest.devDependencies),
};
const findings = [...sources.flatMap((source) => checkFile(source)), ...checkImports(sources, packages)];

function excuses(exception: Exception, finding: Finding): boolean {
  const isThere = exception.path.endsWith('/')
    ? finding.path.startsWith(exception.path)
    : finding.path === exception.path;
  return isThere && exception.rule === finding.rule && exception.what === finding.what;
}

describe('the house', () => {
  test('every source keeps the house rules, or stands in EXCEPTIONS with its reason', () => {
    const open = findings.filter((finding) => !EXCEPTIONS.some((exception) => excuses(exception, finding)));
    assert.equal(open.length, 0, `\n${open.map(describeFinding).join('\n')}\n`);
  });

  test('every exception is still needed and says why', () => {
    for (const exception of EXCEPTIONS) {
      assert.ok(exception.reason.length >= 20, `the reason of ${exception.path} is no sentence`);
      assert.ok(
        findings.some((finding) => excuses(exception, finding)),
        `nothing in ${exception.path} needs its exception for '${exception.what}' any more: remove it from tools/layers.ts`,
      );
    }
  });

  test('the sources were really read, in every folder of the table', () => {
    const inSource = sources.filter(({ path }) => path.startsWith('src/'));
    const imports = inSource.reduce((count, source) => count + source.imports.length, 0);
    assert.ok(inSource.length >= 80, `only ${inSource.length} files under src/`);
    assert.ok(imports >= 2 * inSource.length, `only ${imports} imports in ${inSource.length} files`);
    for (const { folder } of LAYERS) {
      assert.ok(
        inSource.some(({ path }) => path.startsWith(`src/${folder}/`)),
        `the table names ${folder}/, and there is none: remove it from tools/layers.ts`,
      );
    }
  });

  test('every package in package.json is used: the shipped ones by src, the others by anything', () => {
    const tools = /^(?:node|typescript|@biomejs\/biome|@types\/.*)$/;
    const isNamed = (name: string, folder: RegExp): boolean =>
      sources.some(({ path, text }) => folder.test(path) && (text.includes(`'${name}'`) || text.includes(`'${name}/`)));
    const unused = [
      ...Object.keys(manifest.dependencies).filter((name) => !isNamed(name, /^src\//)),
      ...packages.development.filter((name) => !tools.test(name) && !isNamed(name, /./)),
    ];
    assert.deepEqual(unused, [], 'take them out of package.json, or use them');
  });

  test('ARCHITECTURE.md shows the folders of the table, and no others', () => {
    const rows = [...readRepositoryFile('ARCHITECTURE.md').matchAll(/^\| `([\w-]+)\/` \|/gm)].map((match) => match[1]);
    const folders = new Set(LAYERS.map(({ folder }) => folder.split('/')[0]));
    assert.deepEqual(rows.sort(), [...folders].sort());
  });

  test('the table itself runs one way', () => {
    const below = new Set<string>();
    for (const { folder, mayImport, mayImportTypesOf = [] } of LAYERS) {
      for (const name of mayImport === 'everything' ? [] : [...mayImport, ...mayImportTypesOf]) {
        assert.ok(below.has(name), `${folder}/ may import ${name}/, which does not stand above it in the table`);
      }
      below.add(folder);
    }
  });
});
