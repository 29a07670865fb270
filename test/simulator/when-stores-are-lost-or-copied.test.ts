import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachinesStory } from './machines-story.ts';
import { sendBatch } from './programs.ts';

const MESSAGE = { queue: 'billing', priority: 3, padding: 100 };

async function setup() {
  const story = await MachinesStory.begin(['alpha', 'beta']);
  await story.send('alpha', 'beta', 10);
  await story.settled();
  return { story, alpha: story.machine('alpha'), beta: story.machine('beta') };
}

/** Of the messages that arrived at beta in this life of its store, how many are marked. */
function markedAt(story: MachinesStory): number {
  const arrivals = [...story.machine('beta').disk.history.arrivals.values()].flat();
  return arrivals.filter(({ isPossibleDuplicate }) => isPossibleDuplicate).length;
}

test('the receiver has lost its store: what was sent and not acknowledged comes again, marked; the stream goes on', async () => {
  const { story, beta } = await setup();
  beta.disk.syncMs = () => 1_000;
  story.universe.tap.once('data', () => story.world.at(10, () => beta.kill()));
  await story.send('alpha', 'beta', 10);
  await story.until('beta is killed', 10_000, () => beta.isDown);
  story.universe.ledger.incident('beta', 'lost');
  beta.disk.lose(story.universe.nextLineage());
  beta.disk.beQuick();
  // By then the link is gone: these were sent to nobody.
  await story.advance(1_000);
  await story.send('alpha', 'beta', 5);
  await story.start('beta');
  await story.until('all of them are there', 60_000, () => beta.disk.history.arrivals.size === 15);
  assert.equal(markedAt(story), 10);
  assert.equal(story.universe.coverage.of('reconcile PEER_STORE_REPLACED'), 1);
  await story.end();
});

test('the receiver has gone back to a backup: the sender says what is gone, sends the rest, and goes on', async () => {
  const { story, beta } = await setup();
  const backup = beta.disk.backUp();
  await story.send('alpha', 'beta', 10);
  await story.settled();
  beta.kill();
  story.universe.ledger.incident('beta', 'rolled back');
  beta.disk.restore(backup, story.universe.nextLineage());
  await story.send('alpha', 'beta', 5);
  await story.start('beta');
  await story.until('the new ones are there', 60_000, () => beta.disk.history.arrivals.size === 15);
  assert.equal(story.universe.coverage.of('reconcile PEER_LOST_DATA'), 1);
  await story.end();
});

test('the sender has gone back to a backup: no new message is taken for an old one', async () => {
  const { story, alpha, beta } = await setup();
  const backup = alpha.disk.backUp();
  await story.send('alpha', 'beta', 10);
  await story.settled();
  alpha.kill();
  story.universe.ledger.incident('alpha', 'rolled back');
  alpha.disk.restore(backup, story.universe.nextLineage());
  await story.start('alpha');
  await story.send('alpha', 'beta', 5);
  await story.until('the new ones are there', 60_000, () => beta.disk.history.arrivals.size === 25);
  assert.equal(story.universe.coverage.of('reconcile STREAM_REGRESSION'), 1);
  await story.end();
});

test('the sender has lost its store: what it sends afterwards arrives, and nothing comes twice', async () => {
  const { story, alpha, beta } = await setup();
  alpha.kill();
  story.universe.ledger.incident('alpha', 'lost');
  alpha.disk.lose(story.universe.nextLineage());
  await story.start('alpha');
  await story.send('alpha', 'beta', 5);
  await story.until('the new ones are there', 60_000, () => beta.disk.history.arrivals.size === 15);
  assert.equal(markedAt(story), 0);
  await story.end();
});

test('a copy of a living machine is refused; when the original is gone it is taken, and none of its messages is lost', async () => {
  const { story, alpha, beta } = await setup();
  const copy = story.add('alpha', { address: '10.0.5.5' });
  story.universe.ledger.incident('alpha', 'copied');
  copy.disk.restore(alpha.disk.backUp(), story.universe.nextLineage());
  // Both are busy: the copy comes while the original has its link.
  story.load('alpha', 'beta', 500, 100);
  await story.advance(5_000);
  const running = await story.world.settle('the start of the copy', 30_000, copy.start());
  assert.ok(running);
  const messages = Array.from({ length: 7 }, () => ({ ...MESSAGE, to: 'beta' }));
  const sending = sendBatch(story.universe, running, { atMs: 0, messages, unit: 'none' });
  await story.world.settle('a send of the copy', 10_000, sending);
  await story.advance(20_000);
  assert.ok(story.universe.coverage.of('refused DUPLICATE_STORE') > 0);
  const refusal = story.running('beta').transfer.describeIncoming().refusals[0];
  assert.equal(refusal?.code, 'DUPLICATE_STORE');
  assert.equal(refusal?.remoteAddress, '10.0.5.5');
  const status = await story.world.settle('a look', 10_000, running.transfer.describeOutgoing());
  assert.equal(status?.[0]?.reason, 'DUPLICATE_STORE');
  assert.equal(status?.[0]?.messages, 7);
  await story.advance(40_000);
  assert.equal(story.universe.ledger.arrivedCount('alpha', 'beta'), 110, 'the original is not disturbed');
  await story.world.settle('the stop of the original', 30_000, alpha.stop());
  await story.until('the messages of the copy are there', 120_000, () => beta.disk.history.arrivals.size === 117);
  story.check();
});
