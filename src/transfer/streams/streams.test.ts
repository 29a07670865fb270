import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messagesOf, StreamStory, textsOf } from '../../../test/support/stream-story.ts';

const TEN = Array.from({ length: 10 }, (_, index) => `m${index}`);

test('messages arrive once and in order, and leave the sender', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  story.connect();
  await story.settle();
  assert.deepEqual(await textsOf(story.beta.manager, 'billing'), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'billing@beta'), []);
  assert.equal(story.alpha.stream.needsLink, false);
  assert.equal(story.alpha.stream.view.acknowledged, 10);
});

test('fault 24: when the acknowledgement is lost, what arrived is not sent again', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  link.tamper = (frame) => (frame.type === 'acked' ? [] : [frame]);
  await story.settle();
  assert.equal(story.alpha.stream.view.unacknowledged, 10);
  link.cut();
  story.connect();
  await story.settle();
  assert.deepEqual(await textsOf(story.beta.manager, 'billing'), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'billing@beta'), []);
  assert.deepEqual(story.alpha.events, []);
});

test('fault 43: a message that is too large for the receiver goes to the dead-letter queue, and the stream goes on', async () => {
  const story = await StreamStory.begin();
  story.beta.bodyBytesMax = 100;
  await story.alpha.send(['small', 'x'.repeat(101), 'small too']);
  story.connect();
  await story.settle();
  assert.deepEqual(await textsOf(story.beta.manager, 'billing'), ['small', 'small too']);
  const dead = await messagesOf(story.alpha.manager, 'dead-letter');
  assert.deepEqual(
    dead.map(({ reason }) => reason),
    ['NACK_TOO_LARGE'],
  );
});
