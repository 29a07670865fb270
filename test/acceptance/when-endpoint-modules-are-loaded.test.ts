import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadEndpoints } from '../../src/host/load-endpoints.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { REPOSITORY } from '../../tools/repository-files.ts';
import { posthorn, temporaryDirectory } from '../support/command-line.ts';

/** A directory of modules that can import `posthorn`. */
function modules(): { write(name: string, text: string): string; path: string; [Symbol.dispose](): void } {
  const directory = temporaryDirectory();
  mkdirSync(join(directory.path, 'node_modules'));
  symlinkSync(REPOSITORY, join(directory.path, 'node_modules', 'posthorn'));
  writeFileSync(join(directory.path, 'package.json'), '{ "type": "module" }');
  return {
    path: directory.path,
    write(name, text) {
      const path = join(directory.path, name);
      writeFileSync(path, text);
      return path;
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

const IMPORT = "import { Endpoint, type HostContext } from 'posthorn';\n";

async function load(file: string): Promise<{ names: string[]; warnings: string[] }> {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (text: string) => void warnings.push(text) };
  const endpoints = await loadEndpoints([file], {
    directory: '/data',
    queueManager: undefined,
    role: 'server',
    logger,
  });
  return { names: endpoints.map(({ name }) => name), warnings };
}

describe('when endpoint modules are loaded', () => {
  test('the default export is an endpoint, a function that makes one, or an array of these', async () => {
    using made = modules();
    const one = "const one = (host: HostContext) => new Endpoint('one', { directory: host.directory });\n";
    const two = "const two = async () => new Endpoint('two');\nconst three = new Endpoint('three');\n";
    const cases: readonly [string, readonly string[]][] = [
      ['three', ['three']],
      ['one', ['one']],
      ['two', ['two']],
      ['two()', ['two']],
      ['[one, two, three]', ['one', 'two', 'three']],
      ['() => [one, three]', ['one', 'three']],
      ['async () => [await two(), [three]]', ['two', 'three']],
    ];
    for (const [index, [exported, names]] of cases.entries()) {
      const file = made.write(
        `module-${index}.ts`,
        `${IMPORT}${one}${two}export const helper = () => 7;\nexport default ${exported};\n`,
      );
      assert.deepEqual(await load(file), { names, warnings: [] }, exported);
    }
  });

  test('what stands among them and is no endpoint is refused, for it would never run', async () => {
    using made = modules();
    const cases: readonly [string, RegExp][] = [
      ['[one, forgot]', /has undefined where an endpoint is meant \(what its function forgot returned\)/],
      ['() => [one, undefined]', /has undefined where/],
      ['{ one }', /has an object where/],
      ["[one, 'two']", /has the string two where/],
      ['class Shop {}', /has the class Shop where/],
      ['[]', /exports no endpoint \(it exports default\)/],
    ];
    for (const [index, [exported, text]] of cases.entries()) {
      const file = made.write(
        `module-${index}.ts`,
        `${IMPORT}const one = new Endpoint('one');\nconst forgot = () => { new Endpoint('two'); };\nexport default ${exported};\n`,
      );
      await assert.rejects(load(file), { code: 'ENDPOINT_MODULE_INVALID', message: text }, exported);
    }
  });

  test('of several exports those that are endpoints are taken, and a warning names the functions that were not called', async () => {
    using made = modules();
    const mail = "export const mail = new Endpoint('mail');\n";
    const helper = "export function orders() { throw new Error('was called'); }\n";
    const quiet = await load(
      made.write('quiet.ts', `${IMPORT}${mail}export const all = [mail];\nexport class Declined extends Error {}\n`),
    );
    assert.deepEqual(quiet, { names: ['mail'], warnings: [] });
    const mixed = await load(made.write('mixed.ts', `${IMPORT}${mail}${helper}`));
    assert.deepEqual(mixed.names, ['mail']);
    assert.match(mixed.warnings.join(), /mixed\.ts' exports orders, not called: .*'export default \[mail, orders\]'/);
    const alone = await load(
      made.write('alone.ts', `${IMPORT}export function sales() { return new Endpoint('sales'); }\n`),
    );
    assert.deepEqual(alone, { names: ['sales'], warnings: [] });
    const two = made.write('two.ts', 'export function sales() {}\nexport function shipping() {}\n');
    await assert.rejects(load(two), {
      code: 'ENDPOINT_MODULE_INVALID',
      message: /exports no endpoint \(it exports sales, shipping\)\..*'export default \[sales, shipping\]'/,
    });
  });

  test('beside a default export nothing else is taken, and a warning names the endpoints that are left out', async () => {
    using made = modules();
    const mail = "export const mail = new Endpoint('mail');\n";
    const both = await load(made.write('both.ts', `${IMPORT}${mail}export default [mail];\n`));
    assert.deepEqual(both, { names: ['mail'], warnings: [] });
    const left = await load(made.write('left.ts', `${IMPORT}${mail}export default new Endpoint('sales');\n`));
    assert.deepEqual(left.names, ['sales']);
    assert.match(left.warnings.join(), /left\.ts' exports mail, not started: .* export that by default/);
  });

  test('describe names on standard error what was not called', async () => {
    using made = modules();
    const file = made.write(
      'mixed.ts',
      `${IMPORT}export const mail = new Endpoint('mail');\nexport const orders = () => new Endpoint('orders');\n`,
    );
    const { exitCode, stdout, stderr } = await posthorn(['describe', file]);
    assert.deepEqual([exitCode, stdout.includes('mail')], [0, true]);
    assert.match(stderr, /mixed\.ts' exports orders, not called/);
  });

  test('an error in a module is told with its file, line and column', async () => {
    using made = modules();
    const at = (name: string, place: string): RegExp =>
      new RegExp(`\\(${join(made.path, name)}:${place}\\)\\. Correct`);
    const syntax = made.write('syntax.ts', 'export default {\n  a: 1\n  b: 2 };\n');
    await assert.rejects(load(syntax), { code: 'ENDPOINT_MODULE_INVALID', message: at('syntax.ts', '3:3') });
    const imports = made.write('imports.ts', "import './syntax.ts';\n");
    await assert.rejects(load(imports), { message: at('syntax.ts', '3:3') });
    const name = made.write('name.ts', "\nimport { nothing } from 'node:fs';\nexport default nothing;\n");
    await assert.rejects(load(name), { message: at('name.ts', '2:10') });
    const thrown = made.write(
      'thrown.ts',
      "const config = () => {\n  throw new Error('no password.');\n};\nconfig();\nexport {};\n",
    );
    await assert.rejects(load(thrown), { message: /could not be loaded: no password \(/ });
    await assert.rejects(load(thrown), { message: at('thrown.ts', '2:9') });
    const option = made.write('option.ts', `${IMPORT}export default () => new Endpoint('a', { concurrency: -1 });\n`);
    await assert.rejects(load(option), { message: /could not make its endpoints: Option 'concurrency'/ });
    await assert.rejects(load(option), { message: at('option.ts', '2:22') });
  });

  test('where Node.js keeps the place to itself, it is told how to see it', async () => {
    using made = modules();
    const file = made.write('plain.js', 'export default {\n  a: 1\n  b: 2 };\n');
    await assert.rejects(load(file), { message: new RegExp(`Unexpected identifier.*'node ${file}' shows its place`) });
  });

  test('a file that is not there is told from one that imports what is not there', async () => {
    using made = modules();
    await assert.rejects(load(join(made.path, 'missing.ts')), {
      message: /missing\.ts' is not there\. Correct the path\./,
    });
    const file = made.write('imports.ts', "import './missing.ts';\n");
    await assert.rejects(load(file), {
      message: /imports\.ts' could not be loaded: Cannot find module .*missing\.ts'/,
    });
  });
});
