import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrived, deliverUntil, TEN } from '../../../test/support/stream-moves.ts';
import { messagesOf, StreamStory } from '../../../test/support/stream-story.ts';

test('when the store of the receiver was replaced, what may have been there is sent again and marked', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN.slice(0, 5));
  const link = story.connect();
  await deliverUntil(story, link, 'acked');
  story.beta.crash();
  story.beta.machine.replaceDisk();
  await story.beta.start();
  await story.beta.manager.declareQueue('billing');
  await story.alpha.send(TEN.slice(5));
  story.connect();
  await story.settle();
  const seen = await messagesOf(story.beta.manager, 'billing');
  assert.deepEqual(
    seen.map(({ text, isPossibleDuplicate }) => [text, isPossibleDuplicate]),
    TEN.map((text, index) => [text, index < 5]),
  );
  assert.deepEqual(
    story.alpha.events.map(({ event }) => event),
    ['PEER_STORE_REPLACED'],
  );
});

test('with the policy hold, a replaced store waits for an operator, also after a restart', async () => {
  const story = await StreamStory.begin({ onReplacedStore: 'hold' });
  await story.alpha.send(TEN);
  const link = story.connect();
  await deliverUntil(story, link, 'acked');
  story.beta.crash();
  story.beta.machine.replaceDisk();
  await story.beta.start();
  await story.beta.manager.declareQueue('billing');
  story.connect();
  await story.settle();
  story.alpha.crash();
  await story.alpha.start();
  assert.equal(story.alpha.stream.view.hold?.reason, 'RESYNC_NEEDED');
  assert.equal(story.alpha.stream.needsLink, false);
  await story.alpha.stream.release();
  story.connect();
  await story.settle();
  const seen = await messagesOf(story.beta.manager, 'billing');
  assert.deepEqual(
    seen.map(({ text }) => text),
    TEN,
  );
  assert.ok(seen.every(({ isPossibleDuplicate }) => isPossibleDuplicate));
});

test('a receiver that was put back from a backup is found out, and the sender says what is lost', async () => {
  const story = await StreamStory.begin();
  story.connect();
  await story.alpha.send(TEN.slice(0, 3));
  await story.settle();
  const backup = story.beta.machine.backUp();
  await story.alpha.send(TEN.slice(3, 6));
  await story.settle();
  story.beta.crash();
  story.beta.machine.restore(backup);
  await story.beta.start();
  story.connect();
  await story.alpha.send(TEN.slice(6));
  await story.settle();
  assert.deepEqual(await arrived(story), [...TEN.slice(0, 3), ...TEN.slice(6)]);
  assert.deepEqual(
    story.alpha.events.map(({ event }) => event),
    ['PEER_LOST_DATA'],
  );
});

test('a sender that was put back to before its stream began is found out, and what it sends again is marked', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const backup = story.alpha.machine.backUp();
  story.connect();
  await story.settle();
  story.alpha.crash();
  story.alpha.machine.restore(backup);
  await story.alpha.start();
  story.connect();
  await story.settle();
  const seen = await messagesOf(story.beta.manager, 'billing');
  assert.deepEqual(
    seen.map(({ isPossibleDuplicate }) => isPossibleDuplicate),
    [...TEN.map(() => false), ...TEN.map(() => true)],
  );
  assert.deepEqual(
    story.alpha.events.map(({ event }) => event),
    ['STREAM_REGRESSION'],
  );
});

test('a sender that was put back to where all it sent is still there resumes without a duplicate', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  await deliverUntil(story, link, 'acked');
  const backup = story.alpha.machine.backUp();
  await story.settle();
  story.alpha.crash();
  story.alpha.machine.restore(backup);
  await story.alpha.start();
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(story.alpha.events, []);
});

test('an epoch that was given up is forgotten 30 days later', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN.slice(0, 5));
  story.connect();
  await story.settle();
  const backup = story.alpha.machine.backUp();
  await story.alpha.send(TEN.slice(5));
  await story.settle();
  story.alpha.crash();
  story.alpha.machine.restore(backup);
  await story.alpha.start();
  await story.alpha.send(['new']);
  story.connect();
  await story.settle();
  const count = async (): Promise<number> => {
    const page = await story.beta.manager.readState({ prefix: 'incoming-stream/', countMax: 10 });
    return page.entries.length;
  };
  assert.equal(await count(), 2);
  await story.beta.stop();
  story.world.clock.advance(31 * 24 * 60 * 60 * 1000);
  await story.beta.start();
  assert.equal(await count(), 1);
});

test('two copies of one store that send by turns are told apart, and each gets on', async () => {
  const story = await StreamStory.begin();
  const copy = story.cloneOfAlpha();
  await copy.start();
  story.connect();
  story.connect(copy);
  for (let round = 0; round < 5; round++) {
    await story.alpha.send([`alpha ${round}`]);
    await copy.send([`copy ${round}`]);
    await story.advance(3_000);
  }
  const texts = await arrived(story);
  for (const name of ['alpha', 'copy']) {
    const own = [...new Set(texts.filter((text) => text.startsWith(name)))];
    assert.deepEqual(
      own,
      Array.from({ length: 5 }, (_, round) => `${name} ${round}`),
    );
  }
});
