import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemoryLink } from '../../../test/support/memory-link.ts';
import { messagesOf, StreamStory, textsOf } from '../../../test/support/stream-story.ts';
import { StoreFull, StoreSyncFailed } from '../../store/errors.ts';
import type { Unit } from '../../store/store.ts';
import type { Data, Frame } from '../wire/frames.ts';

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

test('a sender that ignores the window is cut off', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  const link = story.connect();
  failUnits(story.beta, (unit) => (puts(unit) ? NEVER : undefined));
  link.tamper = (frame) => (frame.type === 'data' ? flood(frame) : [frame]);
  await story.settle();
  assert.equal(link.isCut, true);
});

test('those who have sent here are known after a restart', async () => {
  const story = await StreamStory.begin();
  await story.alpha.send(TEN);
  story.connect();
  await story.settle();
  story.beta.crash();
  await story.beta.start();
  assert.deepEqual(story.beta.incoming?.knownSenders, ['alpha']);
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

/** Delivers everything until a frame of this type waits on its way back to the sender. */
async function deliverUntil(story: StreamStory, link: MemoryLink, type: 'acked'): Promise<void> {
  let isThere = false;
  const { tamper } = link;
  link.tamper = (frame) => {
    isThere ||= frame.type === type;
    return frame.type === type ? [] : [frame];
  };
  for (let round = 0; !isThere; round++) {
    assert.ok(round < 100, `no ${type} came`);
    await story.settle();
  }
  link.tamper = tamper;
}

/** Attaches the stream; its first frames of messages are on the way and do not arrive yet. */
async function deliverUntilData(story: StreamStory, link: MemoryLink): Promise<void> {
  await story.settleStores();
  link.deliver('data');
  await story.settleStores();
  link.deliver('answers');
  await story.settleStores();
}

function arrived(story: StreamStory): Promise<readonly string[]> {
  return textsOf(story.beta.manager, 'billing');
}

/** Answers units in the place of the store: with this error, or (NEVER) not at all. */
function failUnits(
  { machine }: { readonly machine: StreamStory['alpha']['machine'] },
  answer: (unit: Unit) => Error | typeof NEVER | undefined,
): void {
  machine.answerUnits((unit, commit) => {
    const instead = answer(unit);
    if (instead === undefined) return commit();
    return instead === NEVER ? machine.never() : Promise.reject(instead);
  });
}

const NEVER = Symbol('never');

function puts({ operations }: Unit): boolean {
  return operations.some(({ kind }) => kind === 'put');
}

function bytesOf({ messages }: Data): number {
  return messages.reduce((sum, { headers, body }) => sum + headers.byteLength + body.byteLength, 0);
}

/** The same messages again and again, with the right numbers. */
function flood(frame: Data): readonly Data[] {
  const count = frame.messages.length;
  return Array.from({ length: 500 }, (_, index) => ({ ...frame, firstSeq: frame.firstSeq + index * count }));
}
