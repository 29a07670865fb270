import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where PostgreSQL's programs are on this machine, newest first behind those of PATH; `undefined`: nowhere. */
export function findPostgres(): PostgresBinaries | undefined {
  for (const folder of [...foldersOfPath(), ...debianPostgresFolders()]) {
    const [server, initialize] = [join(folder, 'postgres'), join(folder, 'initdb')];
    if (existsSync(server) && existsSync(initialize)) return { server, initialize, version: versionOf(server) };
  }
  return undefined;
}

/** The same of MariaDB. A `mysqld` that is MySQL's does not count: it makes its data directory in another way. */
export function findMariadb(): MariadbBinaries | undefined {
  const initialize = findInPath('mariadb-install-db') ?? findInPath('mysql_install_db');
  if (initialize === undefined) return undefined;
  for (const server of [findInPath('mariadbd'), findInPath('mysqld')]) {
    const version = server === undefined ? '' : versionOf(server);
    if (server !== undefined && version.includes('MariaDB')) return { server, initialize, version };
  }
  return undefined;
}

export interface DatabaseBinaries {
  readonly server: string;
  /** Makes a data directory. */
  readonly initialize: string;
  /** As the server tells it: templates of one version serve no other. */
  readonly version: string;
}

export type PostgresBinaries = DatabaseBinaries;
export type MariadbBinaries = DatabaseBinaries;

function findInPath(program: string): string | undefined {
  return foldersOfPath()
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

/** Servers stand in the sbin folders, which the PATH of a user often lacks. */
function foldersOfPath(): string[] {
  const listed = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...listed, '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'];
}

function debianPostgresFolders(): string[] {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return [];
  const versions = readdirSync(root).filter((name) => /^\d+$/.test(name));
  return versions.sort((left, right) => Number(right) - Number(left)).map((name) => join(root, name, 'bin'));
}

function versionOf(server: string): string {
  return spawnSync(server, ['--version'], { encoding: 'utf8' }).stdout.trim();
}
