import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FAILPOINTS, type Failpoint } from '../../src/io/failpoint.ts';
import { CrashRun } from './crash-run.ts';
import { describeReport, isPassed } from './report.ts';

const USAGE = `npm run test:crash -- [--kills N] [--seconds S] [--minimum N] [--failpoint NAME]… [--seed N] [--directory DIR] [--json]

  --kills N         processes to kill; default 100. At least one for each failpoint, and one more
  --seconds S       goes on killing until so much time has passed; default 0
  --minimum N       messages that must have been accepted, and handled; default 10000
  --failpoint NAME  only these failpoints instead of all ${FAILPOINTS.length}; may be given more than once
  --seed N          the plan of an earlier run, which prints it
  --directory DIR   where to make the store; default: the system's directory for temporary files
  --json            the report as one line of JSON`;

/**
 * `npm run test:crash`: kills real processes under load and proves by a ledger that nothing was lost, doubled or half done.
 *
 * Exit 0: faultless, every failpoint was reached, and enough was accepted and handled. 1: not so. 2: wrong arguments.
 */
async function main(given: readonly string[]): Promise<number> {
  let options: CrashOptions;
  try {
    options = readOptions(given);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
  const directory = mkdtempSync(join(options.directory, 'posthorn-crash-'));
  const run = new CrashRun({ ...options, directory, tell: options.isJson ? () => {} : tellProgress });
  const report = await run.run();
  const hasPassed = isPassed(report);
  if (options.isJson) console.log(JSON.stringify({ ...report, passed: hasPassed }));
  else console.log(describeReport(report).join('\n'));
  if (hasPassed) rmSync(directory, { recursive: true, force: true });
  else console.error(`The store and the ledger are kept in ${directory}.`);
  return hasPassed ? 0 : 1;
}

interface CrashOptions {
  readonly kills: number;
  readonly secondsMin: number;
  readonly minimum: number;
  readonly failpoints: readonly Failpoint[];
  readonly seed: number;
  readonly directory: string;
  readonly isJson: boolean;
}

function readOptions(given: readonly string[]): CrashOptions {
  const { values } = parseArgs({
    args: [...given],
    options: {
      kills: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '0' },
      minimum: { type: 'string', default: '10000' },
      failpoint: { type: 'string', multiple: true },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      directory: { type: 'string', default: tmpdir() },
      json: { type: 'boolean', default: false },
    },
  });
  const failpoints = (values.failpoint ?? FAILPOINTS).map(readFailpoint);
  const kills = readNumber('--kills', values.kills);
  if (kills <= failpoints.length) {
    const needed = failpoints.length + 1;
    throw new Error(
      `${kills} kills are too few: ${needed} are needed for all failpoints and a first one. Raise --kills, or name some with --failpoint.`,
    );
  }
  return {
    kills,
    secondsMin: readNumber('--seconds', values.seconds),
    minimum: readNumber('--minimum', values.minimum),
    failpoints,
    seed: readNumber('--seed', values.seed),
    directory: values.directory,
    isJson: values.json,
  };
}

function readFailpoint(name: string): Failpoint {
  const known = FAILPOINTS.find((failpoint) => failpoint === name);
  if (known === undefined) throw new Error(`There is no failpoint '${name}'. There are: ${FAILPOINTS.join(', ')}.`);
  return known;
}

function readNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${option} is '${text}', not a whole number.`);
  return Number(text);
}

function tellProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

process.exitCode = await main(process.argv.slice(2));
