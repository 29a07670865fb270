import { posix } from 'node:path';
import { resolveImport } from '../import-rules.ts';
import { readRepositoryFile } from '../repository-files.ts';
import { readSource } from '../source-text.ts';
import { findMariadb, findPostgres } from './database-binaries.ts';
import type { DatabaseServer } from './database-server.ts';
import { installMissingDatabases } from './install-databases.ts';
import { startMariadb } from './start-mariadb.ts';
import { startPostgres } from './start-postgres.ts';

/**
 * The servers that the test files of one run share, under the names by which test/support/test-databases.ts finds them.
 * What the environment names already is left alone; what cannot be started is left out, and its tests skip or fail.
 */
export class TestServers implements AsyncDisposable {
  readonly #servers: DatabaseServer[] = [];

  /** @param environment - gets the names of what was started */
  static async start(environment: NodeJS.ProcessEnv): Promise<TestServers> {
    const wanted = SERVERS.filter(({ variable }) => (environment[variable] ?? '') === '');
    if (wanted.length > 0) installMissingDatabases();
    const started = new TestServers();
    const starting = wanted
      .filter(({ isInstalled }) => isInstalled())
      .map(async ({ variable, start }) => {
        const server = await start();
        started.#servers.push(server);
        environment[variable] = server.url;
      });
    const failed = (await Promise.allSettled(starting)).find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) {
      await started[Symbol.asyncDispose]();
      throw failed.reason;
    }
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

/** True when the test file, or a module that it imports, names test/support/test-databases.ts. */
export function needsDatabases(path: string, read: (path: string) => string = readRepositoryFile): boolean {
  const seen = new Set<string>();
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next === TEST_DATABASES) return true;
    if (seen.has(next) || !isOfTests(next)) continue;
    seen.add(next);
    for (const { specifier } of readSource(next, read(next)).imports) {
      const target = resolveImport(next, specifier);
      if (target?.endsWith('.ts')) waiting.push(posix.normalize(target));
    }
  }
  return false;
}

const TEST_DATABASES = 'test/support/test-databases.ts';

/** Product code does not import tests: only these are followed. */
function isOfTests(path: string): boolean {
  return /^(?:test|bench|demo)\//.test(path) || path.endsWith('.test.ts');
}

const SERVERS = [
  {
    variable: 'POSTHORN_TEST_POSTGRES_URL',
    isInstalled: () => findPostgres() !== undefined,
    start: () => startPostgres(),
  },
  {
    variable: 'POSTHORN_TEST_POSTGRES_UNPREPARED_URL',
    isInstalled: () => findPostgres() !== undefined,
    start: () => startPostgres({ preparedMax: 0 }),
  },
  {
    variable: 'POSTHORN_TEST_MARIADB_URL',
    isInstalled: () => findMariadb() !== undefined,
    start: () => startMariadb(),
  },
];
