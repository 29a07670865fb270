import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  arrived,
  bytesOf,
  deliverUntil,
  deliverUntilData,
  failUnits,
  NEVER,
  TEN,
} from '../../../test/support/stream-moves.ts';
import { messagesOf, StreamStory, textsOf } from '../../../test/support/stream-story.ts';
import { OutcomeUnknown, StoreSyncFailed } from '../../store/errors.ts';
import type { Frame } from '../wire/frames.ts';

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

test('fault 25: an acknowledgement that comes on a link given up changes nothing', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const old = story.connect();
  await deliverUntil(story, old, 'acked');
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(story.alpha.events, []);
});

test('fault 26: acknowledgements count by the highest, however they come', async () => {
  const story = await StreamStory.begin();
  const link = story.connect();
  const late: Frame[] = [];
  link.tamper = (frame) => {
    if (frame.type !== 'acked') return [frame];
    // The first one arrives after the second.
    if (late.length > 0) return [frame, ...late];
    late.push(frame);
    return [];
  };
  await story.alpha.send(TEN.slice(0, 5));
  await story.settle();
  await story.alpha.send(TEN.slice(5));
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
  assert.equal(story.alpha.stream.view.acknowledged, 10);
});

test('an acknowledgement of what was never sent ends the link, and deletes nothing', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  link.tamper = (frame) => (frame.type === 'acked' ? [{ ...frame, seq: 11 }] : [frame]);
  await story.settle();
  assert.equal(link.isCut, true);
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
});

test('fault 33: no more than the window is on the way to a receiver that does not answer', async () => {
  const story = await StreamStory.begin();
  const big = Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(256 * 1024, '.'));
  await story.alpha.send(big);
  const link = story.connect();
  let onTheWay = 0;
  link.tamper = (frame) => {
    if (frame.type === 'data') onTheWay += bytesOf(frame);
    return frame.type === 'acked' ? [] : [frame];
  };
  await story.settle();
  assert.ok(onTheWay > 3 * 1024 * 1024 && onTheWay <= 4 * 1024 * 1024, `${onTheWay} bytes`);
  link.cut();
  story.connect();
  await story.settle();
  assert.equal((await arrived(story)).length, 40);
});

test('fault 33: a link that takes nothing more is given nothing more until it is drained', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(256 * 1024, '.')));
  const link = story.connect();
  await deliverUntilData(story, link);
  assert.ok(link.dialer.waitingBytes <= 2 * 1024 * 1024, `${link.dialer.waitingBytes} bytes wait`);
  await story.settle();
  assert.equal((await arrived(story)).length, 40);
});

test('fault 37: a sender that dies between the acknowledgement and the removal does not send again', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  failUnits(story.alpha, (unit) => (unit.operations.some(({ kind }) => kind === 'remove') ? NEVER : undefined));
  story.connect();
  await story.settle();
  story.alpha.crash();
  failUnits(story.alpha, () => undefined);
  await story.alpha.start();
  assert.equal(story.alpha.stream.view.unacknowledged, 10);
  const link = story.connect();
  let dataFrames = 0;
  link.tamper = (frame) => {
    if (frame.type === 'data') dataFrames++;
    return [frame];
  };
  await story.settle();
  assert.equal(dataFrames, 0);
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'billing@beta'), []);
});

test('fault 43: headers that the receiver cannot take go to the dead-letter queue with its words, and the stream goes on', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(['for nobody'], { queue: 'no-such-queue' });
  await story.alpha.send(TEN);
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
  const dead = await messagesOf(story.alpha.manager, 'dead-letter');
  assert.deepEqual(dead, [{ text: 'for nobody', isPossibleDuplicate: false, reason: 'NACK_BAD_DST_Q' }]);
});

test('a refusal whose acknowledgement was lost is settled at the next attach', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(['for nobody'], { queue: 'no-such-queue' });
  const link = story.connect();
  await deliverUntil(story, link, 'acked');
  link.cut();
  story.connect();
  await story.settle();
  assert.deepEqual(await textsOf(story.alpha.manager, 'dead-letter'), ['for nobody']);
  assert.deepEqual(await textsOf(story.alpha.manager, 'no-such-queue@beta'), []);
});

test('a message whose time is over is not sent, and those behind it keep their order', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(['too late'], { timeToReachQueueMs: 1_000 });
  await story.alpha.send(TEN);
  await story.advance(1_001);
  story.connect();
  await story.advance(100);
  assert.deepEqual(await arrived(story), TEN);
  const [dead] = await messagesOf(story.alpha.manager, 'dead-letter');
  assert.equal(dead?.text, 'too late');
});

test('a message that was sent does not expire while its outcome is unknown', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN, { timeToReachQueueMs: 1_000 });
  const link = story.connect();
  await deliverUntil(story, link, 'acked');
  link.cut();
  await story.advance(5_000);
  story.alpha.crash();
  await story.alpha.start();
  await story.advance(5_000);
  assert.deepEqual(await textsOf(story.alpha.manager, 'dead-letter'), []);
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'dead-letter'), []);
});

test('after the link has ended, what was never sent may expire, also after a crash', async () => {
  const story = await StreamStory.begin();
  const link = story.connect();
  await story.alpha.send(['sent']);
  await story.settle();
  link.cut();
  await story.settleStores();
  await story.alpha.send(TEN, { timeToReachQueueMs: 1_000 });
  story.alpha.crash();
  await story.alpha.start();
  assert.equal(story.alpha.stream.view.unacknowledged, 0);
  await story.advance(1_001);
  assert.equal((await textsOf(story.alpha.manager, 'dead-letter')).length, 10);
});

test('a held queue sends nothing, also after a restart, and settles what was sent', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN.slice(0, 5));
  const link = story.connect();
  await deliverUntil(story, link, 'acked');
  link.cut();
  await story.alpha.stream.hold('anna');
  await story.alpha.send(TEN.slice(5));
  assert.equal(story.alpha.stream.needsLink, true);
  story.connect();
  await story.settle();
  assert.equal(story.alpha.stream.needsLink, false);
  assert.deepEqual(await textsOf(story.alpha.manager, 'billing@beta'), TEN.slice(5));
  story.alpha.crash();
  await story.alpha.start();
  assert.equal(story.alpha.stream.view.hold?.by, 'anna');
  story.connect();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN.slice(0, 5));
  await story.alpha.stream.release();
  await story.settle();
  assert.deepEqual(await arrived(story), TEN);
});

test('a unit of the sender that fails is tried again, and the stream says so meanwhile', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  let failures = 1;
  failUnits(story.alpha, (unit) => {
    const isRemoval = unit.operations.some(({ kind }) => kind === 'remove');
    return isRemoval && failures-- > 0 ? new StoreSyncFailed('the test says so') : undefined;
  });
  story.connect();
  await story.settle();
  assert.equal(story.alpha.stream.view.state, 'failed');
  await story.advance(1_000);
  assert.equal(story.alpha.stream.view.state, 'attached');
  assert.deepEqual(await arrived(story), TEN);
  assert.deepEqual(await textsOf(story.alpha.manager, 'billing@beta'), []);
});

test('after a unit whose outcome is unknown, the sender touches nothing until it has started again', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  story.alpha.machine.answerUnits(async (unit, commit) => {
    await commit();
    if (unit.operations.some(({ kind }) => kind === 'remove')) throw new OutcomeUnknown('the answer was lost');
  });
  story.connect();
  await story.settle();
  const { stream } = story.alpha;
  assert.deepEqual([stream.view.state, stream.needsLink], ['failed', false]);
  story.alpha.crash();
  failUnits(story.alpha, () => undefined);
  await story.alpha.start();
  story.connect();
  await story.alpha.send(['after']);
  await story.settle();
  assert.deepEqual(await textsOf(story.beta.manager, 'billing'), [...TEN, 'after']);
  assert.deepEqual(story.alpha.events, []);
});
