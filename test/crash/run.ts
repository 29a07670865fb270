import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FAILPOINTS, type Failpoint, TRANSFER_FAILPOINTS } from '../../src/io/failpoint.ts';
import { CrashRun } from './crash-run.ts';
import { MachinesRun } from './machines/machines-run.ts';
import { describeReport as describeMachines, isPassed as isPassedByMachines } from './machines/report.ts';
import { KINDS } from './machines/workload.ts';
import { describeReport, isPassed } from './report.ts';
import { ROWS } from './transactions/matrix.ts';
import { runTransactions } from './transactions/run-transactions.ts';

const USAGE = `npm run test:crash -- [--kills N] [--seconds S] [--minimum N] [--failpoint NAME]… [--seed N] [--machines N] [--directory DIR] [--json]
npm run test:crash -- --transactions [--load N] [--step TEXT] [--directory DIR] [--json]

  --kills N         processes to kill; default 100. At least one for each failpoint, and one more
  --seconds S       goes on killing until so much time has passed; default 0
  --minimum N       messages that must have been accepted, and handled; default 10000
  --failpoint NAME  only these failpoints instead of all; may be given more than once
  --machines N      1: one queue manager, which is the default; 2: two that send to each other, both killed
  --transactions    queues and databases: dies at each step of the protocols and of recovery, with and without a restart of the
                    databases, and prints the matrix; private PostgreSQL and MariaDB servers are started for it
  --load N          instead of the matrix: N transactions, one kill per 200, over one database and over two
  --step TEXT       only the steps of the matrix whose name contains it
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
  const { report, hasPassed, lines } = await runChosen({ ...options, directory });
  if (options.isJson) console.log(JSON.stringify({ ...report, passed: hasPassed }));
  else console.log(lines.join('\n'));
  if (hasPassed) rmSync(directory, { recursive: true, force: true });
  else console.error(`The store and the ledger are kept in ${directory}.`);
  return hasPassed ? 0 : 1;
}

async function runChosen(options: CrashOptions) {
  const tell = options.isJson ? () => {} : tellProgress;
  if (options.transactions !== undefined) {
    return runTransactions({ ...options.transactions, directory: options.directory, tell });
  }
  if (options.machines === 1) {
    const report = await new CrashRun({ ...options, tell }).run();
    return { report, hasPassed: isPassed(report), lines: describeReport(report) };
  }
  const report = await new MachinesRun({ ...options, tell, kinds: KINDS }).run();
  return { report, hasPassed: isPassedByMachines(report), lines: describeMachines(report) };
}

interface CrashOptions {
  readonly transactions: { readonly load: number | undefined; readonly step: string } | undefined;
  readonly machines: 1 | 2;
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
      machines: { type: 'string', default: '1' },
      transactions: { type: 'boolean', default: false },
      load: { type: 'string' },
      step: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
    },
  });
  const machines = readMachines(values.machines);
  const failpoints =
    values.failpoint?.map(readFailpoint) ?? (machines === 1 ? FAILPOINTS : FAILPOINTS_BETWEEN_MACHINES);
  const kills = readNumber('--kills', values.kills);
  const needed = machines * failpoints.length + 1;
  if (!values.transactions && kills < needed) {
    throw new Error(
      `${kills} kills are too few: ${needed} are needed for all failpoints and a first one. Raise --kills, or name some with --failpoint.`,
    );
  }
  const load = values.load === undefined ? undefined : readNumber('--load', values.load);
  return {
    transactions: values.transactions ? { load, step: readStep(values.step) } : undefined,
    machines,
    kills,
    secondsMin: readNumber('--seconds', values.seconds),
    minimum: readNumber('--minimum', values.minimum),
    failpoints,
    seed: readNumber('--seed', values.seed),
    directory: values.directory,
    isJson: values.json,
  };
}

/** Those that each of two machines comes by. */
const FAILPOINTS_BETWEEN_MACHINES: readonly Failpoint[] = [
  ...TRANSFER_FAILPOINTS,
  'open.before-deaths-counted',
  'open.after-deaths-counted',
  'unit.handed-over',
  'store.before-apply',
  'store.applied-before-commit',
  'store.committed-before-answer',
  'unit.committed-before-outcome',
  'loop.handled-before-commit',
  'loop.committed',
  'deadlines.before-release',
  'deadlines.after-release',
  'close.before-store-closed',
];

/** Part of the name of one step at least. */
function readStep(step: string): string {
  if (ROWS.some(({ name }) => name.includes(step))) return step;
  throw new Error(`No step's name contains '${step}'. There are:\n${ROWS.map(({ name }) => `  ${name}`).join('\n')}`);
}

function readFailpoint(name: string): Failpoint {
  const all = [...FAILPOINTS, ...TRANSFER_FAILPOINTS];
  const known = all.find((failpoint) => failpoint === name);
  if (known === undefined) throw new Error(`There is no failpoint '${name}'. There are: ${all.join(', ')}.`);
  return known;
}

function readMachines(text: string): 1 | 2 {
  if (text !== '1' && text !== '2') throw new Error(`--machines is '${text}', not 1 or 2.`);
  return text === '1' ? 1 : 2;
}

function readNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${option} is '${text}', not a whole number.`);
  return Number(text);
}

function tellProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

process.exitCode = await main(process.argv.slice(2));
