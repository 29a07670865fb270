import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Example, matchesOutput, readExamples } from '../../tools/documents.ts';
import { REPOSITORY, readRepositoryFile, repositoryFiles } from '../../tools/repository-files.ts';

/** Longer than any example may take; they end by themselves. */
const EXAMPLE_TIMEOUT_MS = 30_000;

const documents = repositoryFiles('*.md', 'docs/**/*.md').map((path) => ({
  path,
  ...readExamples(path, readRepositoryFile(path)),
}));
const project = mkdtempSync(join(tmpdir(), 'posthorn-examples-'));

/** A project of somebody who installed this checkout: packages are links, so the examples run on `src/`. */
before(() => {
  const packages = join(project, 'node_modules');
  mkdirSync(packages);
  for (const name of readdirSync(join(REPOSITORY, 'node_modules')).filter((entry) => !entry.startsWith('.'))) {
    symlinkSync(join(REPOSITORY, 'node_modules', name), join(packages, name));
  }
  symlinkSync(REPOSITORY, join(packages, 'posthorn'));
  writeFileSync(join(project, 'package.json'), '{ "name": "reader", "type": "module", "private": true }\n');
  const configuration = { extends: join(REPOSITORY, 'tsconfig.json'), include: ['*/*.ts'] };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(configuration));
  for (const { path, examples } of documents) {
    for (const example of examples) {
      mkdirSync(directoryOf(path, example));
      writeFileSync(join(directoryOf(path, example), 'example.ts'), example.code);
    }
  }
});

after(() => rmSync(project, { recursive: true, force: true }));

function directoryOf(document: string, { name }: Example): string {
  return join(project, `${basename(document, '.md')}-${name}`);
}

describe('when a reader runs an example', () => {
  test('every block of code in the documents is an example, or says that it is a fragment', () => {
    assert.deepEqual(
      documents.flatMap(({ problems }) => problems),
      [],
    );
    assert.ok(documents.flatMap(({ examples }) => examples).length >= 2, 'no examples found');
  });

  test('the compiler accepts them all', () => {
    const compiler = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', project], {
      cwd: project,
      encoding: 'utf8',
    });
    assert.equal(status, 0, `\n${stdout}`);
  });

  for (const { path, examples } of documents) {
    for (const example of examples) {
      test(`'${example.name}' of ${path} runs, ends by itself and prints what the document says`, () => {
        const { status, signal, stdout, stderr } = spawnSync(
          process.execPath,
          ['--conditions=posthorn-source', 'example.ts'],
          { cwd: directoryOf(path, example), encoding: 'utf8', timeout: EXAMPLE_TIMEOUT_MS, env: readerEnvironment() },
        );
        const told = `${example.place} ended with ${signal ?? status}\n${stdout}\n${stderr}`;
        assert.equal(status, 0, told);
        if (example.output !== undefined) {
          assert.ok(matchesOutput(stdout, example.output), `${told}\nThe document says:\n${example.output}`);
        }
      });
    }
  }
});

/** What a reader has: nothing of ours and nothing of the test runner. */
function readerEnvironment(): NodeJS.ProcessEnv {
  const isOurs = (name: string): boolean => name.startsWith('POSTHORN_') || name.startsWith('NODE_');
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOurs(name)));
}
