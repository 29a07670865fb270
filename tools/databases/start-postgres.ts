import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillDataDirectory } from './data-template.ts';
import { findPostgres, type PostgresBinaries } from './database-binaries.ts';
import { DatabaseServer } from './database-server.ts';
import { makeFolderOf, type ServerOwner, serverOwner } from './server-owner.ts';

/**
 * A private PostgreSQL server that accepts connections; with real syncs, little memory, and prepared transactions.
 *
 * Its superuser is `posthorn`, the password too. It ends with us, whatever ends us; `await using` ends it earlier.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<DatabaseServer> {
  const binaries = findPostgres();
  if (binaries === undefined) throw new Error('PostgreSQL is not installed here (apt-get install postgresql).');
  const owner = serverOwner('postgres');
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'posthorn-postgres-'));
  makeFolderOf(owner, directory);
  fillDataDirectory(join(directory, 'data'), templateOf(binaries, owner));
  return DatabaseServer.startAt(options.port, (port) => ({
    url: `postgres://posthorn:posthorn@127.0.0.1:${port}/postgres`,
    port,
    directory,
    ownsDirectory: options.directory === undefined,
    owner,
    command: binaries.server,
    arguments: argumentsOf(directory, port, options),
    readyLine: /database system is ready to accept connections/,
    stopSignal: 'SIGINT',
    abandonSignal: 'SIGQUIT',
    environment: options.environment,
  }));
}

export interface PostgresOptions {
  /** For data and socket, made where it is missing, and kept at the end; default: a temporary one that goes with the server. */
  readonly directory?: string;
  /** `max_prepared_transactions`; 0 switches them off. */
  readonly preparedMax?: number;
  /** Default: a free one above 20000. */
  readonly port?: number;
  /** More settings of `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Environment variables of the server's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

function templateOf({ initialize, version }: PostgresBinaries, owner: ServerOwner | undefined) {
  return {
    name: `${version} 1`,
    owner,
    command: '/bin/sh',
    // initdb reads the password from a file only.
    arguments: (data: string) => [
      '-c',
      'umask 077; echo posthorn > password; exec "$@"',
      'initdb',
      ...[initialize, '--pgdata', data, '--username', 'posthorn', '--pwfile', 'password'],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
    ],
  };
}

function argumentsOf(directory: string, port: number, { preparedMax = 64, settings = {} }: PostgresOptions): string[] {
  const all = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: directory,
    max_prepared_transactions: preparedMax,
    max_connections: 100,
    shared_buffers: '16MB',
    max_wal_size: '128MB',
    ...settings,
  };
  const given = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', join(directory, 'data'), ...given];
}
