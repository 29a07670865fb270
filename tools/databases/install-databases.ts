import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { findMariadb, findPostgres } from './database-binaries.ts';

/** Debian's packages of the databases that tests need and this machine lacks. */
export function missingPackages(): string[] {
  return [
    ...(findPostgres() === undefined ? ['postgresql'] : []),
    ...(findMariadb() === undefined ? ['mariadb-server'] : []),
  ];
}

/**
 * Installs the packages that are missing when we may (root, with apt-get); no service of theirs is started.
 *
 * @returns what is missing afterwards
 */
export function installMissingDatabases(): string[] {
  const missing = missingPackages();
  if (missing.length === 0 || process.getuid?.() !== 0 || !isThere('apt-get')) return missing;
  console.log(`Installing ${missing.join(' and ')} for the tests of databases …`);
  withoutServices(() => {
    aptGet('update', '-qq');
    aptGet('install', '-y', '-qq', '--no-install-recommends', ...missing);
  });
  return missingPackages();
}

const POLICY = '/usr/sbin/policy-rc.d';

/** Debian asks this script whether a package may start its service; 101 means no. One that is there already is left alone. */
function withoutServices(action: () => void): void {
  const isOurs = !existsSync(POLICY);
  if (isOurs) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    action();
  } finally {
    if (isOurs) rmSync(POLICY, { force: true });
  }
}

/** What goes wrong is told by apt-get itself, and then by the tests that miss their server. */
function aptGet(...given: readonly string[]): void {
  spawnSync('apt-get', given, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

function isThere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

if (import.meta.main) {
  const missing = installMissingDatabases();
  if (missing.length > 0) {
    console.error(`Missing: ${missing.join(' ')}. Run as root: apt-get install ${missing.join(' ')}`);
    process.exitCode = 1;
  }
}
