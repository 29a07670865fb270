import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import { openQueueManager } from '../src/operations/open-queue-manager.ts';
import { ORDER } from './bench-messages.ts';
import { fillErrorQueue } from './failed-messages.ts';
import { compareInRounds } from './rounds.ts';
import type { Row } from './row.ts';
import { roundTo } from './row-support.ts';
import { Durations } from './statistics.ts';

const FAILED_COUNT = 100_000;
const ROUNDS = 7;
const SENDERS = 16;
const SENDER_PAUSE_MS = 2;
const QUIET_MS = 1_200;
const MUST_RATIO = 3;

/**
 * How long commits take while `posthorn errors group` runs over 100,000 failed messages in another process, beside the
 * same without it: an operator who looks must not hold up who works.
 */
export const groupRow: Row = {
  name: 'group_p99',
  what: "commit p99 during 'errors group' over 100,000 messages, beside the p99 without",
  must: `ratio ≤ ${MUST_RATIO}`,
  aim: 'ratio ≤ 1.5',
  async measure(directory) {
    const store = join(directory, 'store');
    await using manager = await openQueueManager({ directory: store, machine: 'bench' });
    await fillErrorQueue(manager, FAILED_COUNT);
    await using endpoint = new Endpoint('sender', { queueManager: manager, logger: silentLogger });
    await endpoint.start();
    const allWith = new Durations();
    const groupSeconds: number[] = [];
    const comparison = await compareInRounds({
      roundCount: ROUNDS,
      reference: () => p99While(endpoint, () => sleep(QUIET_MS)),
      measured: (isWarmUp) =>
        p99While(
          endpoint,
          async () => {
            const startedMs = performance.now();
            await groupErrors(store);
            groupSeconds.push((performance.now() - startedMs) / 1000);
          },
          isWarmUp ? undefined : allWith,
        ),
    });
    return {
      value: roundTo(comparison.value, 3),
      unit: 'ms (p99)',
      reference: roundTo(comparison.reference, 3),
      ratio: roundTo(comparison.ratio, 3),
      p50Ms: roundTo(allWith.percentile(0.5), 3),
      p99Ms: roundTo(allWith.percentile(0.99), 3),
      ok: comparison.ratio <= MUST_RATIO,
      details: {
        ratios: comparison.ratios,
        longestMs: roundTo(allWith.percentile(1), 3),
        commits: allWith.count,
        groupSeconds: groupSeconds.map((seconds) => seconds.toFixed(1)).join(' '),
      },
    };
  },
};

/** The p99 of sends, paced so that neither processor nor disk is their limit, until `activity` is over. */
async function p99While(endpoint: Endpoint, activity: () => Promise<void>, all?: Durations): Promise<number> {
  const durations = new Durations();
  let isOver = false;
  const sendOn = async (): Promise<void> => {
    while (!isOver) {
      const startedMs = performance.now();
      await endpoint.send('Bench.Order', ORDER, { to: 'out' });
      durations.add(performance.now() - startedMs);
      all?.add(performance.now() - startedMs);
      await sleep(SENDER_PAUSE_MS);
    }
  };
  const senders = Array.from({ length: SENDERS }, sendOn);
  await activity();
  isOver = true;
  await Promise.all(senders);
  return durations.percentile(0.99);
}

function groupErrors(directory: string): Promise<void> {
  const program = new URL('cli-process.ts', import.meta.url).pathname;
  const verb = ['errors', 'group', '--directory', directory, '--json'];
  const child = spawn(process.execPath, ['--conditions=posthorn-source', program, ...verb], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const groupedCount = output.split('\n').flatMap((line) => /"count":(\d+)/.exec(line)?.[1] ?? []);
      const total = groupedCount.reduce((sum, count) => sum + Number(count), 0);
      if (code === 0 && total === FAILED_COUNT) resolve();
      else reject(new Error(`'errors group' ended with code ${code} and counted ${total}: ${output.slice(0, 500)}`));
    });
  });
}
