import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { linkedFiles, matchesOutput, readExamples } from '../../tools/documents.ts';
import { REPOSITORY, readRepositoryFile } from '../../tools/repository-files.ts';
import { InstalledPackage, userEnvironment } from './installed-package.ts';

const manifest = JSON.parse(readRepositoryFile('package.json'));
const example = readExamples('README.md', readRepositoryFile('README.md')).examples.find(
  ({ name }) => name === 'first-endpoint',
);
assert.ok(example?.output !== undefined, 'README.md has no example=first-endpoint with its output');
const { code, output } = { ...example, output: example.output };

describe('when the package is installed in an empty project', () => {
  let installed: InstalledPackage;
  before(() => {
    installed = InstalledPackage.make();
  });
  after(() => installed?.remove());

  test("README's first example runs as JavaScript", () => {
    installed.write('first.js', stripTypeScriptTypes(code));
    const { status, stdout, stderr } = installed.run('node', 'first.js');
    assert.equal(status, 0, stderr);
    assert.ok(matchesOutput(stdout, output), stdout);
  });

  test("README's first example runs as TypeScript, which Node.js strips in the user's project", () => {
    installed.write('first.ts', code);
    const { status, stdout, stderr } = installed.run('node', 'first.ts');
    assert.equal(status, 0, stderr);
    assert.ok(matchesOutput(stdout, output), stdout);
  });

  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    test(`the compiler takes its declarations, all of them checked, with moduleResolution ${moduleResolution}`, () => {
      installed.write('first.ts', code);
      const compilerOptions = { module, moduleResolution, target: 'es2024', lib: ['es2024', 'esnext.disposable'] };
      const types = { types: ['node'], typeRoots: [join(REPOSITORY, 'node_modules', '@types')] };
      const strictness = { strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, noEmit: true };
      const configuration = { compilerOptions: { ...compilerOptions, ...types, ...strictness }, files: ['first.ts'] };
      installed.write('tsconfig.json', JSON.stringify(configuration));
      const { status, stdout } = installed.run('tsc', '-p', '.');
      const ours = stdout.split('\n').filter((line) => /^(?:first\.ts|node_modules\/posthorn\/)/.test(line));
      assert.deepEqual(ours, []);
      assert.ok(status === 0 || stdout.includes('node_modules/'), stdout);
    });
  }

  test('every subpath that package.json exports can be imported', () => {
    const subpaths = Object.keys(manifest.exports).filter((subpath) => !subpath.endsWith('.json'));
    assert.ok(subpaths.length >= 2);
    for (const subpath of subpaths) {
      const name = subpath.replace(/^\./, 'posthorn');
      const { stdout, stderr } = installed.run(
        'node',
        '-e',
        `import('${name}').then((all) => console.log(Object.keys(all).length))`,
      );
      assert.ok(Number(stdout) > 0, `${name}: ${stderr}`);
    }
  });

  test('on a Node.js that is too old, whoever opens a queue manager is told which one runs and which one is needed', () => {
    installed.write(
      'old.js',
      "import { Endpoint } from 'posthorn';\nawait new Endpoint('old').start().catch((error) => console.log(error.code, error.message));\n",
    );
    const told = /^NODE_TOO_OLD This is Node\.js (\S+), and Posthorn needs Node\.js 24 or newer\. Install it /;
    const pretended = installed.run('node', '--import', PRETENDS_TO_BE_OLD, 'old.js');
    assert.equal(told.exec(pretended.stdout)?.[1], '20.19.0', pretended.stdout + pretended.stderr);
    for (const [command, version] of olderNodes()) {
      const { stdout, stderr } = installed.run(command, 'old.js');
      assert.equal(told.exec(stdout)?.[1], version, stdout + stderr);
    }
  });

  test('npx posthorn tells its version', () => {
    const { status, stdout, stderr } = installed.run('npx', '--no-install', 'posthorn', '--version');
    assert.equal(status, 0, stderr);
    assert.equal(stdout.trim(), manifest.version);
  });

  test('npx posthorn queues --json sees the queue of the example', () => {
    installed.write('first.js', stripTypeScriptTypes(code));
    assert.equal(installed.run('node', 'first.js').status, 0);
    const { status, stdout, stderr } = installed.run('npx', '--no-install', 'posthorn', 'queues', '--json');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /"hello"/);
    assert.doesNotThrow(
      () =>
        stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      stdout,
    );
  });

  test('starting it says nothing on standard error', () => {
    assert.equal(
      installed.run('npx', '--no-install', 'posthorn', '--version').stderr.replace(/^npm warn.*\n/gm, ''),
      '',
    );
  });

  test('nothing is published but programs, declarations and documents', () => {
    const strangers = installed.files.filter(
      (path) =>
        !/^(?:dist\/.+\.(?:js|d\.ts)|bin\/posthorn\.js|package\.json|README\.md|LICENSE|CHANGELOG\.md|docs\/.+\.md)$/.test(
          path,
        ),
    );
    assert.deepEqual(strangers, []);
    assert.deepEqual(
      installed.files.filter((path) => path.includes('.test.')),
      [],
    );
    for (const needed of [
      'bin/posthorn.js',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'docs/errors.md',
      'dist/cli/main.js',
    ]) {
      assert.ok(installed.files.includes(needed), `${needed} is not published`);
    }
    // With all documents, and a declaration file for each of JavaScript.
    assert.ok(installed.unpackedBytes < 3_000_000, `${installed.unpackedBytes} bytes`);
  });

  test('every link of its documents leads to a file or folder of the package', () => {
    let links = 0;
    for (const path of installed.files.filter((each) => each.endsWith('.md'))) {
      for (const target of linkedFiles(path, readFileSync(join(installed.path, path), 'utf8'))) {
        links++;
        assert.ok(existsSync(join(installed.path, target)), `${path} links to ${target}, which is not published`);
      }
    }
    assert.ok(links >= 10, `only ${links} links found`);
  });

  test('publint finds nothing to say', async () => {
    const bytes = readFileSync(installed.tarball);
    const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    );
  });
});

describe('when the command line is started on a Node.js that is too old', () => {
  const command = join(REPOSITORY, 'bin', 'posthorn.js');
  const mend = /^posthorn: this is Node\.js (\S+), and Posthorn needs Node\.js 24 or newer\. Install it /;

  test('it says which one runs and which one is needed, and ends with 1', () => {
    const given = ['--import', PRETENDS_TO_BE_OLD, command, 'queues'];
    const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: 'utf8' });
    assert.equal(mend.exec(stderr)?.[1], '20.19.0', stderr);
    assert.deepEqual([status, stdout], [1, '']);
  });

  test('it does so on every older Node.js that this machine really has', () => {
    for (const [place, version] of olderNodes()) {
      const { status, stderr } = spawnSync(place, [command, 'queues'], { encoding: 'utf8', env: userEnvironment() });
      assert.equal(mend.exec(stderr)?.[1], version, stderr);
      assert.equal(status, 1);
    }
  });
});

/** A module for `--import`. */
const PRETENDS_TO_BE_OLD = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } });",
)}`;

/** Every Node.js of this machine that is too old, with its version. */
function olderNodes(): [string, string][] {
  const places = [process.env.npm_node_execpath, '/usr/bin/node', '/usr/local/bin/node'];
  return [...new Set(places)].flatMap((place): [string, string][] => {
    if (place === undefined || !existsSync(place)) return [];
    const version = spawnSync(place, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout.trim();
    return Number(version.split('.')[0]) < 24 ? [[place, version]] : [];
  });
}
