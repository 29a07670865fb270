import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Coverage } from './coverage.ts';
import { findPlanted } from './find-planted.ts';
import { PLANTED_BUGS } from './planted-bugs.ts';
import { runSeed } from './run-seed.ts';
import type { SeedReport } from './seed-worker.ts';
import { runSeeds } from './worker-pool.ts';

const SEED_COUNT = 200;
const PLANTED_SEEDS_MAX = 2_000;

test(`whatever happens to machines, disks, networks and names: nothing is lost, doubled or reordered, and all of it arrives (${SEED_COUNT} seeds)`, async () => {
  const coverage = new Coverage();
  const sums: Record<string, number> = {};
  let failed: SeedReport | undefined;
  // In processes of their own: on two cores, and without what the test runner does at every promise.
  await runSeeds({
    workerUrl: new URL('./seed-worker.ts', import.meta.url),
    firstSeed: 1,
    seedCount: SEED_COUNT,
    done: (report) => {
      coverage.add(report.coverage);
      for (const [name, count] of Object.entries(report.sums)) sums[name] = (sums[name] ?? 0) + count;
      if (report.failure === undefined) return undefined;
      failed = report;
      return 'stop';
    },
  });
  const { seed, failure, lastLines } = failed ?? {};
  const again = `npm run simulate -- --seed ${seed} --trace`;
  assert.equal(failure, undefined, `${again}\n${failure?.check}: ${failure?.text}\n${lastLines?.join('\n')}`);
  const { sent = 0, arrived = 0, deadLettered = 0 } = sums;
  // A run in which nothing is sent, or no harm is done, would prove nothing.
  assert.ok(sent > 100 * SEED_COUNT, `only ${sent} messages were sent`);
  assert.ok(arrived > 50 * SEED_COUNT, `only ${arrived} messages arrived`);
  assert.ok(deadLettered > 0);
  for (const event of ['PEER_LOST_DATA', 'STREAM_REGRESSION', 'PEER_STORE_REPLACED']) {
    assert.ok(coverage.of(`reconcile ${event}`) > 0, `no run came through ${event}`);
  }
});

test('the same seed gives the same run, another seed another one', async () => {
  const hashes = new Set<string>();
  for (const seed of [3, 33, 333, 3333]) {
    const first = await runSeed(seed);
    const second = await runSeed(seed);
    assert.equal(second.hash, first.hash, `seed ${seed}`);
    assert.equal(second.eventCount, first.eventCount, `seed ${seed}`);
    hashes.add(first.hash);
  }
  assert.equal(hashes.size, 4);
});

// Minutes, so only on request.
const planted = process.env.POSTHORN_PLANTED === '1' ? PLANTED_BUGS : [];

for (const bug of planted) {
  test(`a planted bug is found: ${bug.what}`, async (t) => {
    const found = await findPlanted(bug, { seedCount: PLANTED_SEEDS_MAX, firstSeed: 1 });
    assert.ok(found, `${bug.name} was not found in ${PLANTED_SEEDS_MAX} seeds`);
    t.diagnostic(`${bug.name}: found after ${found.seedsNeeded} seeds (${found.check})`);
  });
}

test('the texts of the planted bugs are in the sources, each once', async () => {
  for (const { name, edits } of PLANTED_BUGS) {
    for (const { file, find } of edits) {
      const text = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
      assert.equal(text.split(find).length - 1, 1, `${name}: '${find}' in ${file}`);
    }
  }
});
