import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Coverage } from './coverage.ts';
import { findPlanted } from './find-planted.ts';
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.ts';
import { runSeed } from './run-seed.ts';
import type { SeedReport } from './seed-worker.ts';
import { runSeeds } from './worker-pool.ts';

const USAGE = `npm run simulate -- --seeds 1000 --seed 1      that many runs, from that seed on
npm run simulate -- --seed 17 --seeds 1 --trace   one run, with everything that happens in it
  --minutes N     virtual minutes of harm in each run (default: 0.5 to 2, as the seed says)
  --json          one object at the end
  --planted [NAME]  plants known bugs, one after the other, and looks how soon each is found`;

/** `npm run simulate`: exit code 0 when every run passed, 1 when one failed, 2 for a wrong argument. */
async function main(given: readonly string[]): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions(given);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
  if (options.planted !== undefined) return simulatePlanted(options.planted, options);
  if (options.trace) return traceSeed(options);
  return simulate(options);
}

function readOptions(given: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...given],
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string' },
      trace: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      planted: { type: 'boolean', default: false },
    },
  });
  const number = (name: string, text: string): number => {
    const value = Number(text);
    if (text === '' || !Number.isFinite(value) || value < 0) throw new Error(`--${name} is a number, not '${text}'.`);
    return value;
  };
  const unknown = positionals.find((name) => !PLANTED_BUGS.some((bug) => bug.name === name));
  if (unknown !== undefined || (positionals.length > 0 && !values.planted)) {
    throw new Error(`'${unknown ?? positionals[0]}' is none of ${PLANTED_BUGS.map(({ name }) => name).join(', ')}.`);
  }
  const chosen = PLANTED_BUGS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  return {
    seedCount: number('seeds', values.seeds),
    firstSeed: number('seed', values.seed),
    safetyMs: values.minutes === undefined ? undefined : 60_000 * number('minutes', values.minutes),
    trace: values.trace,
    json: values.json,
    planted: values.planted ? chosen : undefined,
  };
}

type Options = ReturnType<typeof readOptions>;

async function traceSeed(options: Options): Promise<number> {
  const result = await runSeed(options.firstSeed, { safetyMs: options.safetyMs, print: (line) => console.log(line) });
  const { seed, hash, failure, report } = result;
  console.log(
    JSON.stringify({ seed, commit: commit(), hash, failure: failure ?? null, report: report ?? null }, null, 2),
  );
  return failure === undefined ? 0 : 1;
}

/** Each seed is independent of the others, so every core takes the next one. */
async function simulate(options: Options): Promise<number> {
  const coverage = new Coverage();
  const failed: SeedReport[] = [];
  const sums: Record<string, number> = {};
  const beganMs = performance.now();
  let doneCount = 0;
  const workerUrl = new URL('./seed-worker.ts', import.meta.url);
  const done = (report: SeedReport): undefined => {
    doneCount++;
    coverage.add(report.coverage);
    for (const [name, count] of Object.entries(report.sums)) sums[name] = (sums[name] ?? 0) + count;
    if (report.failure !== undefined) failed.push(report);
    if (report.failure !== undefined && !options.json) explain(report);
    showProgress(options, doneCount, failed.length);
  };
  await runSeeds({ ...options, workerUrl, done });
  const seconds = (performance.now() - beganMs) / 1000;
  const missing = options.seedCount >= COVERAGE_SEEDS_MIN ? coverage.missing() : [];
  if (options.json) {
    const summary = {
      seeds: doneCount,
      firstSeed: options.firstSeed,
      commit: commit(),
      seconds,
      sums,
      missing,
      coverage,
    };
    console.log(
      JSON.stringify({ ...summary, failed: failed.map(({ seed, failure, hash }) => ({ seed, failure, hash })) }),
    );
  } else {
    console.log(`${doneCount} runs in ${seconds.toFixed(1)} s, ${failed.length} failed, at commit ${commit()}`);
    console.log(`Sums: ${JSON.stringify(sums)}`);
    for (const [what, count] of Object.entries(coverage.toJSON()))
      console.log(`  ${String(count).padStart(9)}  ${what}`);
    if (missing.length > 0) console.log(`Never reached: ${missing.join(', ')}`);
  }
  return failed.length === 0 ? 0 : 1;
}

function explain(report: SeedReport): void {
  console.log(`\nSeed ${report.seed} failed at commit ${commit()}: ${report.failure?.check}`);
  console.log(report.failure?.text);
  console.log(report.lastLines.map((line) => `  ${line}`).join('\n'));
  console.log(`Again, with everything: npm run simulate -- --seed ${report.seed} --trace\n`);
}

function showProgress(options: Options, doneCount: number, failedCount: number): void {
  if (options.json || !process.stderr.isTTY) return;
  process.stderr.write(`\r${doneCount} of ${options.seedCount} runs, ${failedCount} failed`);
  if (doneCount === options.seedCount) process.stderr.write('\n');
}

async function simulatePlanted(bugs: readonly PlantedBug[], options: Options): Promise<number> {
  let missedCount = 0;
  for (const bug of bugs) {
    const found = await findPlanted(bug, { seedCount: PLANTED_SEEDS_MAX, firstSeed: options.firstSeed });
    if (found === undefined) missedCount++;
    const verdict =
      found === undefined
        ? `NOT FOUND in ${PLANTED_SEEDS_MAX} seeds`
        : `found by seed ${found.seed} after ${found.seedsNeeded} seeds: ${found.check}`;
    if (options.json) console.log(JSON.stringify({ bug: bug.name, ...found }));
    else console.log(`${bug.name}: ${verdict}`);
  }
  return missedCount === 0 ? 0 : 1;
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

const PLANTED_SEEDS_MAX = 2_000;
/** Fewer runs need not have come through everything. */
const COVERAGE_SEEDS_MIN = 500;

process.exitCode = await main(process.argv.slice(2));
