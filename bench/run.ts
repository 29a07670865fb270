import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nearestName } from '../src/message/posthorn-error.ts';
import { makeBenchDirectory, NotADisk } from './bench-directory.ts';
import { describeProfile } from './profile.ts';
import type { RowResult } from './row.ts';
import { ROWS } from './rows.ts';
import { NoSlowSync, slowSyncEnvironment } from './slow-sync.ts';

const USAGE = `npm run bench -- [--json] [--directory DIR] [--slow-sync MS] [--profile] [ROW…]

${ROWS.map(({ name, what }) => `  ${name.padEnd(13)}${what}`).join('\n')}

  --json           one line of JSON per row
  --directory DIR  where to make the stores, on a disk; default: the system's directory for temporary files
  --slow-sync MS   every sync, the reference's too, takes so much longer: as on another disk
  --profile        also where the processor time of the row's main thread went`;

/**
 * `npm run bench`: measures each row in a process of its own, on a fresh directory, beside its reference.
 *
 * Exit 0: every row is as it must be. 1: one is not. 2: wrong arguments, or no disk.
 */
async function main(given: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = readArguments(given);
    const slowSyncMs = readSlowSync(values['slow-sync']);
    const names = positionals.length > 0 ? positionals.map(checkName) : ROWS.map(({ name }) => name);
    let isAllOk = true;
    for (const name of names) {
      const result = await measureRow(name, { parent: values.directory, withProfile: values.profile, slowSyncMs });
      console.log(values.json ? JSON.stringify(result) : describeResult(result).join('\n'));
      isAllOk &&= result.ok;
    }
    return isAllOk ? 0 : 1;
  } catch (error) {
    if (!isUsageError(error)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
}

function readArguments(given: readonly string[]) {
  return parseArgs({
    args: [...given],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      directory: { type: 'string', default: tmpdir() },
      'slow-sync': { type: 'string', default: '0' },
      profile: { type: 'boolean', default: false },
    },
  });
}

class WrongArgument extends Error {}

function readSlowSync(text: string): number {
  if (!/^\d+(?:\.\d+)?$/.test(text)) throw new WrongArgument(`--slow-sync is '${text}', not a number of milliseconds.`);
  return Number(text);
}

function checkName(name: string): string {
  const names = ROWS.map((row) => row.name);
  if (names.includes(name)) return name;
  const nearest = nearestName(name, names);
  throw new WrongArgument(`There is no row '${name}'.${nearest === undefined ? '' : ` Did you mean '${nearest}'?`}`);
}

function isUsageError(error: unknown): error is Error {
  if (error instanceof WrongArgument || error instanceof NotADisk || error instanceof NoSlowSync) return true;
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}

async function measureRow(name: string, options: MeasureOptions): Promise<RowResult> {
  using directory = makeBenchDirectory(options.parent);
  const { slowSyncMs } = options;
  const environment = slowSyncMs === 0 ? {} : slowSyncEnvironment(directory.path, slowSyncMs);
  const profiles = options.withProfile ? mkdtempSync(join(directory.path, 'profile-')) : undefined;
  const profileArguments = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const program = new URL('measure.ts', import.meta.url).pathname;
  const nodeArguments = ['--conditions=posthorn-source', ...profileArguments, program, name, directory.path];
  const output = await outputOf(nodeArguments, environment);
  const found = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as RowResult;
  const result = slowSyncMs === 0 ? found : { ...found, details: { ...found.details, slowSyncMs } };
  if (profiles !== undefined) {
    for (const file of readdirSync(profiles)) console.error(describeProfile(join(profiles, file)).join('\n'));
  }
  return result;
}

interface MeasureOptions {
  readonly parent: string;
  readonly withProfile: boolean;
  readonly slowSyncMs: number;
}

function outputOf(nodeArguments: readonly string[], environment: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, nodeArguments, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`Measuring ended with ${signal ?? `code ${code}`}.`));
    });
  });
}

function describeResult({ name, value, unit, reference, ratio, p50Ms, p99Ms, must, aim, ok, details }: RowResult) {
  const amount = (number: number | null): string => (number === null ? '–' : number.toLocaleString('en-US'));
  return [
    `${ok ? '✔' : '✖'} ${name}: ${amount(value)} ${unit}, reference ${amount(reference)}, ratio ${ratio ?? '–'}`,
    `    must: ${must}    aim: ${aim}`,
    ...(p50Ms === null ? [] : [`    p50 ${p50Ms} ms, p99 ${p99Ms} ms`]),
    ...Object.entries(details).map(
      ([what, found]) => `    ${what}: ${typeof found === 'number' ? amount(found) : found}`,
    ),
  ];
}

process.exitCode = await main(process.argv.slice(2));
