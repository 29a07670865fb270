import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Failpoint } from '../../src/io/failpoint.ts';
import { KilledOnce } from './machines/killed-once.ts';
import { MachinesRun } from './machines/machines-run.ts';
import { describeReport, isPassed } from './machines/report.ts';
import { sendCargo } from './machines/send-cargo.ts';
import { KINDS } from './machines/workload.ts';

/** One of each part; `npm run test:crash -- --machines 2` goes through all of them, and longer. */
const FAILPOINTS: readonly Failpoint[] = [
  'transfer.after-sent-up-to',
  'transfer.after-data-sent',
  'transfer.acked-before-removal',
  'transfer.received-before-commit',
  'transfer.committed-before-ack',
];

/** A queue that is missing is told for good only when its machine has run for half a minute. */
const SHORT_KINDS = KINDS.filter((kind) => kind !== 'missing');

const IDS = ['one', 'two', 'three', 'four', 'five'];

describe('two machines, of which one is killed', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'posthorn-crash-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test('fault 35: a receiver killed after its sync and before it acknowledged has each message once', async () => {
    await using story = await KilledOnce.begin(directory, 'beta');
    const end = await story.dieAt('transfer.committed-before-ack', {
      work: () => sendCargo(story.other, 'beta', IDS),
    });
    assert.equal(end.failpoint, 'transfer.committed-before-ack');
    assert.deepEqual(await story.foundAtTheDead('done'), IDS, 'they are durable');
    assert.equal(story.other.outgoingStatus()[0]?.messages, IDS.length, 'and the sender does not know');
    await story.liveOn();
    assert.equal(story.other.outgoingStatus()[0]?.messages, 0);
    assert.deepEqual(await story.foundAtTheDead('done'), IDS);
  });

  test('fault 36: to a receiver killed before its sync the messages are sent again', async () => {
    await using story = await KilledOnce.begin(directory, 'beta');
    const end = await story.dieAt('transfer.received-before-commit', {
      work: () => sendCargo(story.other, 'beta', IDS),
    });
    assert.equal(end.failpoint, 'transfer.received-before-commit');
    assert.deepEqual(await story.foundAtTheDead('done'), [], 'nothing is there');
    await story.liveOn();
    assert.equal(story.other.outgoingStatus()[0]?.messages, 0);
    assert.deepEqual(await story.foundAtTheDead('done'), IDS);
  });

  test('fault 37: a sender killed between the acknowledgement and the removal does not deliver again', async () => {
    await using story = await KilledOnce.begin(directory, 'alpha', IDS);
    // Its first passage only notes which store was met.
    const end = await story.dieAt('transfer.acked-before-removal', { passage: 2 });
    assert.equal(end.failpoint, 'transfer.acked-before-removal');
    assert.deepEqual(await story.doneAtTheOther(), IDS);
    assert.deepEqual(await story.foundAtTheDead('done@beta'), IDS, 'the sender still has them all');
    await story.liveOn();
    assert.deepEqual(await story.doneAtTheOther(), IDS);
    assert.deepEqual(await story.foundAtTheDead('done@beta'), []);
  });

  test('fault 38: of both killed under load, each message arrives once and in order or is a dead letter, and traffic goes on', async (t) => {
    const run = new MachinesRun({
      kills: 12,
      secondsMin: 0,
      failpoints: FAILPOINTS,
      minimum: 500,
      seed: 4711,
      kinds: SHORT_KINDS,
      directory,
      tell: () => {},
    });
    const report = await run.run();
    const lines = describeReport(report);
    assert.ok(isPassed(report), lines.join('\n'));
    t.diagnostic(lines.slice(0, 3).join('; '));
  });
});
