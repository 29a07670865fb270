import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { TransferStory, textsOf } from '../support/transfer-story.ts';

const BETA = 'billing@beta';
const DAY_MS = 24 * 3_600_000;
const MINUTE_MS = 60_000;

async function deadLetters(story: TransferStory): Promise<(string | undefined)[][]> {
  if (!story.manager.hasQueue('dead-letter')) return [];
  const texts = await story.waiting('dead-letter');
  const headers = await story.headersIn('dead-letter');
  return texts.map((text, index) => [text, headers[index]?.[Header.deadLetterReason]]);
}

describe('when messages cannot reach their queue in time', () => {
  test('they go to the dead-letter queue of the sender with the time that ran out, and a sentence that names the destination', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo(BETA, 'reach', { timeToReachQueueMs: 1000 });
    await story.sendTo(BETA, 'reach first', { timeToReachQueueMs: 1000, timeToBeReceivedMs: 5000 });
    await story.sendTo(BETA, 'receive first', { timeToReachQueueMs: 5000, timeToBeReceivedMs: 1000 });
    await story.sendTo(BETA, 'receive', { timeToBeReceivedMs: 1000 });
    await story.sendTo(BETA, 'none');
    await story.advance(999);
    assert.deepEqual(await deadLetters(story), []);
    await story.advance(1);
    assert.deepEqual(await deadLetters(story), [
      ['reach', 'NACK_REACH_QUEUE_TIMEOUT'],
      ['reach first', 'NACK_REACH_QUEUE_TIMEOUT'],
      ['receive first', 'NACK_RECEIVE_TIMEOUT_AT_SENDER'],
      ['receive', 'NACK_RECEIVE_TIMEOUT_AT_SENDER'],
    ]);
    const [reach, , receive] = await story.headersIn('dead-letter');
    assert.equal(
      reach?.[Header.deadLetterText],
      "It could not be sent to 'billing@beta' in its time to reach the queue (00:00:01).",
    );
    assert.equal(
      receive?.[Header.deadLetterText],
      "It could not be sent to 'billing@beta' in its time to be received (00:00:01).",
    );
    assert.deepEqual([reach?.[Header.timeToReachQueue], receive?.[Header.timeToBeReceived]], [undefined, undefined]);
    await story.advance(DAY_MS);
    assert.deepEqual(await story.waiting(BETA), ['none']);
  });

  test('with dead-lettering off they are dropped and counted', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo(BETA, ['one', 'two'], { timeToReachQueueMs: 1000, deadLetter: false });
    await story.advance(1000);
    assert.equal(story.manager.hasQueue('dead-letter'), false);
    await story.crash();
    const [status] = story.manager.outgoingStatus();
    assert.deepEqual([status?.messages, status?.expired], [0, 2]);
  });

  test('a queue of this machine is reached at once', async () => {
    await using story = await TransferStory.begin();
    await story.send('orders', 'local', { timeToReachQueueMs: 1000 });
    await story.send('orders', 'later', { timeToReachQueueMs: 1000, delayMs: 5000 });
    await story.sendTo('orders@TEST', 'by name', { timeToReachQueueMs: 1000 });
    await story.advance(DAY_MS);
    assert.deepEqual(await story.waiting('orders'), ['local', 'by name', 'later']);
  });

  test('a delayed message has its whole time from its due time', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo(BETA, 'reach', { delayMs: 10_000, timeToReachQueueMs: 1000 });
    await story.sendTo(BETA, 'receive', { delayMs: 10_000, timeToBeReceivedMs: 1000 });
    await story.advance(10_999);
    assert.deepEqual(await story.waiting(BETA), ['reach', 'receive']);
    await story.advance(1);
    assert.deepEqual(await deadLetters(story), [
      ['reach', 'NACK_REACH_QUEUE_TIMEOUT'],
      ['receive', 'NACK_RECEIVE_TIMEOUT_AT_SENDER'],
    ]);
  });

  test('what travels is what is left of the time to be received, whichever of the two runs out first', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo(BETA, 'both', { timeToReachQueueMs: 2000, timeToBeReceivedMs: 10_000 });
    await story.sendTo(BETA, 'both, the other way', { timeToReachQueueMs: 20_000, timeToBeReceivedMs: 10_000 });
    await story.sendTo(BETA, 'receive', { timeToBeReceivedMs: 10_000 });
    await story.sendTo(BETA, 'reach', { timeToReachQueueMs: 2000 });
    await story.sendTo(BETA, 'none');
    const queue = story.outgoing(BETA);
    await story.advance(1500);
    const taken = await story.take(queue);
    const left = (): (number | undefined)[] => taken.map((entry) => queue.timeToBeReceivedLeftMs(entry));
    assert.deepEqual(left(), [8500, 8500, 8500, undefined, undefined]);
    await story.advance(8000);
    assert.deepEqual(left(), [500, 500, 500, undefined, undefined]);
    await story.advance(8000);
    assert.deepEqual(left(), [0, 0, 0, undefined, undefined], 'in the hands of the stream it does not expire');
  });

  test('nothing is given past one that has expired and is still there', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo(BETA, 'expires', { timeToReachQueueMs: 1000 });
    await story.sendTo(BETA, 'stays');
    const queue = story.outgoing(BETA);
    for (const { position } of await story.take(queue)) queue.release(position);
    // Time passes while nothing of this process ran: the deadline keeper has not looked yet.
    story.machine.io.clock.advance(5000);
    assert.deepEqual(await story.take(queue), []);
    const told = new Promise<void>((resolve) => queue.listen(resolve));
    await story.advance(0);
    await told;
    assert.deepEqual(textsOf(await story.take(queue)), ['stays']);
    assert.deepEqual(await deadLetters(story), [['expires', 'NACK_REACH_QUEUE_TIMEOUT']]);
  });

  test('fault 80: the wall clock, jumping a day forward, two back and one forward, expires nothing and keeps nothing (G-T12)', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo(BETA, 'one', { timeToReachQueueMs: 40 * MINUTE_MS });
    await story.sendTo(BETA, 'later', { delayMs: 35 * MINUTE_MS, timeToReachQueueMs: 10 * MINUTE_MS });
    for (const [index, jumpMs] of [DAY_MS, -2 * DAY_MS, DAY_MS].entries()) {
      story.machine.io.clock.jumpWall(jumpMs);
      await story.advance(10 * MINUTE_MS);
      if (index === 1) await story.crash();
      if (index === 2) await story.restart();
    }
    assert.deepEqual(await deadLetters(story), []);
    await story.advance(10 * MINUTE_MS - 1);
    assert.deepEqual(await story.waiting(BETA), ['one', 'later']);
    await story.advance(1);
    assert.deepEqual(await deadLetters(story), [['one', 'NACK_REACH_QUEUE_TIMEOUT']]);
    await story.advance(5 * MINUTE_MS - 1);
    assert.deepEqual(await story.waiting(BETA), ['later']);
    await story.advance(1);
    assert.equal((await deadLetters(story)).length, 2);
    assert.deepEqual(story.failures, []);
  });
});
