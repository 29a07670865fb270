import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  arrived,
  deliverUntil,
  deliverUntilData,
  failUnits,
  flood,
  NEVER,
  puts,
  TEN,
} from '../../../test/support/stream-moves.ts';
import { StreamStory, textsOf } from '../../../test/support/stream-story.ts';
import { OutcomeUnknown, StoreFull } from '../../store/errors.ts';

test('fault 27: frames that arrive twice are enqueued once', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  link.tamper = (frame) => (frame.type === 'data' ? [frame, frame] : [frame]);
  await story.settle();
  link.tamper = (frame) => [frame];
  await story.advance(100);
  assert.deepEqual(await arrived(story), TEN);
});

test('fault 28: after a gap nothing is enqueued out of order, and the stream resumes where it broke', async () => {
  const story = await StreamStory.begin();
  const link = story.connect();
  let drops = 1;
  link.tamper = (frame) => (frame.type === 'data' && drops-- > 0 ? [] : [frame]);
  await story.alpha.send(TEN.slice(0, 5));
  await story.settle();
  await story.alpha.send(TEN.slice(5));
  await story.settle();
  assert.deepEqual(await textsOf(story.beta.manager, 'billing'), []);
  assert.equal(story.alpha.stream.view.pause?.code, 'OUT_OF_SEQUENCE');
  await story.advance(100);
  assert.deepEqual(await arrived(story), TEN);
});

test('fault 34: a full queue pauses its stream with the reason, nothing is dead-lettered, and it resumes by itself', async () => {
  const story = await StreamStory.begin();
  await story.beta.manager.declareQueue('billing', { quotaMessages: 3 });
  await story.alpha.send(TEN);
  story.connect();
  await story.settle();
  const { state, pause, acknowledged } = story.alpha.stream.view;
  assert.deepEqual([state, pause?.code, acknowledged], ['paused', 'QUEUE_FULL', 3]);
  await story.beta.manager.declareQueue('billing', {});
  await story.advance(5_000);
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'dead-letter'), []);
});

test('fault 34: a full disk of the receiver pauses the stream, and nothing of the refused unit is there', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  let isFull = true;
  failUnits(story.beta, (unit) => (isFull && puts(unit) ? new StoreFull(0) : undefined));
  story.connect();
  await story.settle();
  assert.equal(story.alpha.stream.view.pause?.code, 'STORE_FULL');
  isFull = false;
  await story.advance(5_000);
  assert.deepEqual(await arrived(story), TEN);
});

test('a queue that its endpoint has not made yet is waited for', async () => {
  const story = new StreamStory();
  story.beta.missingQueueGraceMs = 30_000;
  await story.alpha.start();
  await story.beta.start();
  await story.alpha.send(TEN);
  story.connect();
  await story.settle();
  assert.equal(story.alpha.stream.view.pause?.code, 'QUEUE_NOT_YET_THERE');
  await story.beta.manager.declareQueue('billing');
  await story.advance(2_000);
  assert.deepEqual(await arrived(story), TEN);
});

test('fault 35: a receiver that dies after its sync and before its acknowledgement has the messages once', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  await deliverUntil(story, link, 'acked');
  story.beta.crash();
  await story.beta.start();
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'billing@beta'), []);
});

test('fault 36: a receiver that dies before its sync gets everything again', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  failUnits(story.beta, (unit) => (puts(unit) ? NEVER : undefined));
  await story.settle();
  assert.equal(link.acceptor.outbox.length, 0);
  story.beta.crash();
  failUnits(story.beta, () => undefined);
  await story.beta.start();
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
});

test('fault 39: of two links at once the later has the stream, and what comes on the other is not enqueued', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const old = story.connect();
  await deliverUntilData(story, old);
  assert.ok(old.dialer.outbox.length > 0, 'DATA waits on the first link');
  const next = story.connect();
  while (next.deliver('data')) await story.settleStores();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(story.alpha.events, []);
});

test('a sender that ignores the window is cut off', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  failUnits(story.beta, (unit) => (puts(unit) ? NEVER : undefined));
  link.tamper = (frame) => (frame.type === 'data' ? flood(frame) : [frame]);
  await story.settle();
  assert.equal(link.isCut, true);
});

test('those who have sent here are known after a restart; names that anybody may claim are not kept until then', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  story.connect();
  await story.settle();
  assert.deepEqual(story.beta.incoming?.knownSenders, []);
  story.beta.crash();
  await story.beta.start();
  assert.deepEqual(story.beta.incoming?.knownSenders, ['alpha']);
});

test('after a unit whose outcome is unknown, the receiver answers by what is on its disk', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  let unknowns = 1;
  story.beta.machine.answerUnits(async (unit, commit) => {
    await commit();
    if (puts(unit) && unknowns-- > 0) throw new OutcomeUnknown('the answer was lost');
  });
  story.connect();
  await story.settle();
  assert.equal(story.alpha.stream.view.pause?.code, 'STORE_RECOVERING');
  await story.advance(2_000);
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'billing@beta'), []);
  assert.deepEqual(story.alpha.events, []);
});
