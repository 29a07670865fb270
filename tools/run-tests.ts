import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { needsDatabases, TestServers } from './databases/test-servers.ts';
import { REPOSITORY, repositoryFiles } from './repository-files.ts';
import { runTestFile, type TestFileResult } from './run-test-file.ts';
import { CAPABILITIES, describeFile, judge, readRequired } from './test-report.ts';

/** Fit for two cores, and the same everywhere, so that what is seen on one machine is seen on the next. */
const FILES_AT_ONCE = 2;

const USAGE = `npm test                              all tests
npm test -- queues store/             files whose path contains one of these
npm test -- src/queues/queue.test.ts  one file
npm test -- queues --name quota       and in them the tests whose name matches this expression
POSTHORN_TEST_POSTGRES_URL=… POSTHORN_TEST_POSTGRES_UNPREPARED_URL=… POSTHORN_TEST_MARIADB_URL=… npm test
                                      these servers instead of private ones that are started for the run
POSTHORN_REQUIRE=tmpfs,sync-faults npm test   what may not be missing here (of ${CAPABILITIES.join(', ')})`;

/** `npm test`: runs the tests, each file in a process of its own, and ends with the totals. */
async function main(given: readonly string[]): Promise<number> {
  let options: ReturnType<typeof readArguments>;
  try {
    options = readArguments(given);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
  const required = readRequired(process.env.POSTHORN_REQUIRE);
  if (required.unknown.length > 0) {
    console.error(`POSTHORN_REQUIRE names ${required.unknown.join(', ')}; known are ${CAPABILITIES.join(', ')}.`);
    return 1;
  }
  const files = chooseFiles(options.positionals);
  if (files.length === 0) {
    console.error(`No test file matches ${options.positionals.join(' or ')}.\n\n${USAGE}`);
    return 1;
  }
  const results = await runWithDatabases(files, options.values.name);
  const verdict = judge(results, required.names);
  console.log(verdict.lines.join('\n'));
  return verdict.succeeded ? 0 : 1;
}

function readArguments(given: readonly string[]) {
  return parseArgs({ args: [...given], allowPositionals: true, options: { name: { type: 'string' } } });
}

function chooseFiles(patterns: readonly string[]): string[] {
  const all = repositoryFiles('{src,tools,test,bench,demo}/**/*.test.ts');
  if (patterns.length === 0) return longStoriesFirst(all);
  const named = patterns.filter((pattern) => pattern.endsWith('.test.ts') && existsSync(resolve(REPOSITORY, pattern)));
  const searched = patterns.filter((pattern) => !named.includes(pattern));
  return longStoriesFirst([
    ...new Set([...named, ...all.filter((path) => searched.some((part) => path.includes(part)))]),
  ]);
}

/** The stories under test/ take longest; begun first, they do not keep one core waiting for the other at the end. */
function longStoriesFirst(paths: readonly string[]): string[] {
  return [...paths.filter((path) => path.startsWith('test/')), ...paths.filter((path) => !path.startsWith('test/'))];
}

/** The servers end with the run, whatever ends it: an interrupt and a kill are noticed by their watchdogs. */
async function runWithDatabases(files: readonly string[], testName: string | undefined): Promise<TestFileResult[]> {
  if (!files.some((path) => needsDatabases(path))) return await runFiles(files, testName);
  await using _servers = await TestServers.start(process.env);
  return await runFiles(files, testName);
}

async function runFiles(files: readonly string[], testName: string | undefined): Promise<TestFileResult[]> {
  const waiting = [...files];
  const results: TestFileResult[] = [];
  const runNext = async (): Promise<void> => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const result = await runTestFile(path, REPOSITORY, { testName });
      results.push(result);
      console.log(describeFile(result).join('\n'));
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, runNext));
  return results;
}

process.exitCode = await main(process.argv.slice(2));
