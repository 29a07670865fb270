import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { missingPlatformPackages } from './complete-lock.ts';
import { readRepositoryFile } from './repository-files.ts';

describe('package-lock.json', () => {
  const lock = JSON.parse(readRepositoryFile('package-lock.json'));
  const manifest = JSON.parse(readRepositoryFile('package.json'));

  test('locks the builds for every platform, so that npm ci takes it anywhere', () => {
    assert.deepEqual(Object.keys(missingPlatformPackages(lock)), [], "run 'node tools/complete-lock.ts'");
  });

  test('names no registry, so that npm ci takes each package from the one it is set up with', () => {
    assert.equal(readRepositoryFile('package-lock.json').includes('"resolved": "http'), false);
  });

  test('and package.json name every dependency by one exact version, the same', () => {
    for (const [name, wanted] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      // A package that is there twice has another name, and its own before the version.
      const version = /^(?:npm:[a-z-]+@)?(\d+\.\d+\.\d+)$/.exec(String(wanted))?.[1];
      assert.ok(version !== undefined, `${name}: write the exact version, and not ${wanted}`);
      assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
    }
  });

  test('the runtime that package.json pins is one that it asks users for', () => {
    const majorMin = Number(/^>=(\d+)$/.exec(manifest.engines.node)?.[1]);
    assert.ok(Number(manifest.devDependencies.node.split('.')[0]) >= majorMin);
    for (const path of ['bin/posthorn.js', 'src/store/require-node.ts']) {
      assert.ok(readRepositoryFile(path).includes(`const NODE_MAJOR_MIN = ${majorMin};`), path);
    }
  });
});

describe('the search for builds that a lock lacks', () => {
  test('reads the platform off the name, and leaves what is there', () => {
    const lock = {
      packages: {
        'node_modules/a': {
          dev: true,
          optionalDependencies: { '@a/cli-linux-x64-musl': '1.0.0', '@a/cli-linux-x64': '1.0.0' },
        },
        'node_modules/@a/cli-linux-x64': { version: '1.0.0' },
        'node_modules/b': { optionalDependencies: { 'b-darwin-arm64': '2.0.0', 'b-win32-x64': '2.0.0' } },
        'node_modules/b/node_modules/b-win32-x64': { version: '2.0.0' },
      },
    };
    assert.deepEqual(missingPlatformPackages(lock), {
      'node_modules/@a/cli-linux-x64-musl': {
        version: '1.0.0',
        cpu: ['x64'],
        dev: true,
        libc: ['musl'],
        optional: true,
        os: ['linux'],
      },
      'node_modules/b-darwin-arm64': { version: '2.0.0', cpu: ['arm64'], optional: true, os: ['darwin'] },
    });
  });
});
