import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillDataDirectory } from './data-template.ts';
import { findMariadb, type MariadbBinaries } from './database-binaries.ts';
import { DatabaseServer } from './database-server.ts';
import { giveTo, makeFolderOf, type ServerOwner, serverOwner } from './server-owner.ts';

/**
 * A private MariaDB server that accepts connections; with real syncs and little memory.
 *
 * Its user `posthorn`, with that password, may do everything. It ends with us, whatever ends us; `await using` ends it
 * earlier.
 */
export async function startMariadb(options: MariadbOptions = {}): Promise<DatabaseServer> {
  const binaries = findMariadb();
  if (binaries === undefined) throw new Error('MariaDB is not installed here (apt-get install mariadb-server).');
  const owner = serverOwner('mysql');
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'posthorn-mariadb-'));
  makeFolderOf(owner, directory);
  fillDataDirectory(join(directory, 'data'), templateOf(binaries, owner));
  writeFileSync(join(directory, 'init.sql'), MAKE_USER);
  giveTo(owner, directory);
  return DatabaseServer.startAt(options.port, (port) => ({
    url: `mysql://posthorn:posthorn@127.0.0.1:${port}/mysql`,
    port,
    directory,
    ownsDirectory: options.directory === undefined,
    owner,
    command: binaries.server,
    arguments: argumentsOf(directory, port, options),
    readyLine: /ready for connections/,
    stopSignal: 'SIGTERM',
    abandonSignal: 'SIGKILL',
    environment: options.environment,
  }));
}

export interface MariadbOptions {
  /** For data and socket, made where it is missing, and kept at the end; default: a temporary one that goes with the server. */
  readonly directory?: string;
  /** Default: a free one above 20000. */
  readonly port?: number;
  /** More settings of its configuration file. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Environment variables of the server's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Run by the server at each start, as its own root. */
const MAKE_USER = `create user if not exists 'posthorn'@'%' identified by 'posthorn';
grant all privileges on *.* to 'posthorn'@'%' with grant option;
`;

function templateOf({ initialize, version }: MariadbBinaries, owner: ServerOwner | undefined) {
  return {
    name: `${version} 1`,
    owner,
    command: initialize,
    arguments: (data: string) => [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--innodb-log-file-size=16M',
      '--innodb-flush-log-at-trx-commit=0',
    ],
  };
}

function argumentsOf(directory: string, port: number, { settings = {} }: MariadbOptions): string[] {
  const all = {
    datadir: join(directory, 'data'),
    socket: join(directory, 'mariadb.sock'),
    'pid-file': join(directory, 'mariadb.pid'),
    'init-file': join(directory, 'init.sql'),
    'bind-address': '127.0.0.1',
    port,
    'max-connections': 100,
    'skip-name-resolve': 1,
    'innodb-buffer-pool-size': '32M',
    'innodb-log-file-size': '16M',
    'innodb-buffer-pool-dump-at-shutdown': 0,
    'innodb-buffer-pool-load-at-startup': 0,
    'innodb-fast-shutdown': 1,
    ...settings,
  };
  return ['--no-defaults', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)];
}
