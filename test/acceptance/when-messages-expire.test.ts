import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { QueueStory } from '../support/queue-story.ts';

describe('when messages expire', () => {
  test('a message that nobody received in its time is gone from its queue, and lies in the dead-letter queue with the reason', async () => {
    await using story = await QueueStory.begin();
    await story.send('prices', 'stale', { timeToBeReceivedMs: 1000 });
    await story.advance(999);
    assert.deepEqual(await story.waiting('prices'), ['stale']);
    await story.advance(1);
    assert.deepEqual(await story.waiting('prices'), []);
    assert.deepEqual(await story.waiting('dead-letter'), ['stale']);
    const [headers] = await story.headersIn('dead-letter');
    assert.equal(headers?.[Header.deadLetterReason], 'NACK_RECEIVE_TIMEOUT');
    assert.equal(headers?.[Header.deadLetterQueue], 'prices@test');
    assert.equal(headers?.[Header.messageId], 'message-1');
    assert.equal(headers?.[Header.timeToBeReceived], undefined, 'the copy must not expire again');
  });

  test('with dead-lettering off it is dropped and counted, and the count survives restarts and crashes', async () => {
    await using story = await QueueStory.begin();
    await story.send('prices', ['one', 'two'], { timeToBeReceivedMs: 1000, deadLetter: false });
    await story.advance(1000);
    assert.equal(story.manager.hasQueue('dead-letter'), false);
    assert.deepEqual([story.status('prices').messages, story.status('prices').expired], [0, 2]);
    await story.restart();
    assert.equal(story.status('prices').expired, 2);
    await story.send('prices', 'three', { timeToBeReceivedMs: 1000, deadLetter: false });
    await story.advance(1000);
    await story.crash();
    assert.equal(story.status('prices').expired, 3);
  });

  test('each message of one unit keeps its own time to be received', async () => {
    // MSMQ gave all messages of a transaction the time of the first (NServiceBus issue 3090).
    await using story = await QueueStory.begin();
    await story.sendAll([
      story.message('prices', 'short', { timeToBeReceivedMs: 1000 }),
      story.message('prices', 'none'),
      story.message('prices', 'long', { timeToBeReceivedMs: 60_000 }),
      story.message('prices', 'middle, not kept', { timeToBeReceivedMs: 30_000, deadLetter: false }),
    ]);
    await story.advance(1000);
    assert.deepEqual(await story.waiting('prices'), ['none', 'long', 'middle, not kept']);
    await story.advance(29_000);
    assert.deepEqual(await story.waiting('prices'), ['none', 'long']);
    await story.advance(30_000);
    assert.deepEqual(await story.waiting('prices'), ['none']);
    assert.deepEqual(await story.waiting('dead-letter'), ['short', 'long']);
    await story.advance(365 * 24 * 3_600_000);
    assert.deepEqual(await story.waiting('prices'), ['none']);
  });

  test('a message in the hands of a receiver does not expire; given back after its time, it does', async () => {
    await using story = await QueueStory.begin();
    await story.send('prices', ['taken', 'given back'], { timeToBeReceivedMs: 1000 });
    const receiver = await story.manager.openReceiver('prices');
    const taken = await story.receive(receiver);
    const givenBack = await story.receive(receiver);
    assert.ok(taken !== undefined && givenBack !== undefined);
    await story.advance(5000);
    assert.equal(story.status('prices').inFlight, 2);
    await story.complete(taken);
    givenBack.release();
    assert.equal(await story.receive(receiver), undefined);
    await story.advance(0);
    assert.deepEqual(await story.waiting('dead-letter'), ['given back']);
    assert.deepEqual(story.failures, []);
  });

  test('one that is given back after its time expires also when nobody receives any more', async () => {
    await using story = await QueueStory.begin();
    await story.send('prices', ['held by a handler', 'held by an operator'], { timeToBeReceivedMs: 1000 });
    const receiver = await story.manager.openReceiver('prices');
    const held = await story.receive(receiver);
    const page = await story.manager.takePage({ queue: 'prices', countMax: 10 }, () => true);
    await story.advance(5000);
    receiver.close();
    held?.release();
    for (const { delivery } of page.taken) delivery.release();
    await story.advance(0);
    assert.deepEqual(await story.waiting('prices'), []);
    assert.deepEqual((await story.waiting('dead-letter')).sort(), ['held by a handler', 'held by an operator']);
  });

  test('a delayed message has its whole time from the moment it becomes visible', async () => {
    await using story = await QueueStory.begin();
    await story.send('prices', 'later', { delayMs: 10_000, timeToBeReceivedMs: 1000 });
    await story.advance(10_999);
    assert.deepEqual(await story.waiting('prices'), ['later']);
    await story.advance(1);
    assert.deepEqual(await story.waiting('prices'), []);
    assert.deepEqual(await story.waiting('dead-letter'), ['later']);
  });

  test('what expired while no process ran is never received', async () => {
    await using story = await QueueStory.begin();
    await story.send('prices', 'stale', { timeToBeReceivedMs: 1000 });
    await story.send('prices', 'fresh', { timeToBeReceivedMs: 60_000 });
    story.machine.crash();
    story.machine.io.clock.advance(2000);
    await story.open();
    assert.deepEqual(await story.drain('prices'), ['fresh']);
    assert.deepEqual(await story.waiting('dead-letter'), ['stale']);
  });

  test('deadlines of waiting and delayed messages share one timer', async () => {
    await using story = await QueueStory.begin();
    for (let queue = 0; queue < 3; queue++) {
      await story.send(`prices-${queue}`, ['one', 'two'], { timeToBeReceivedMs: 5000 + queue });
      await story.send(`prices-${queue}`, 'later', { delayMs: 1000 + queue });
    }
    assert.equal(story.machine.io.timers.armedCount, 1);
    await story.advance(10_000);
    assert.equal(story.machine.io.timers.armedCount, 0);
    assert.equal(story.status('dead-letter').messages, 6);
  });

  test('more expired messages than a page holds, some of them held by a receiver, all leave but those', async () => {
    await using story = await QueueStory.begin();
    const texts = Array.from({ length: 400 }, (_, index) => `message ${index}`);
    await story.send('prices', texts, { timeToBeReceivedMs: 1000, deadLetter: false });
    const receiver = await story.manager.openReceiver('prices');
    for (let held = 0; held < 200; held++) assert.ok((await story.receive(receiver)) !== undefined);
    await story.advance(1000);
    assert.deepEqual([story.status('prices').messages, story.status('prices').expired], [200, 200]);
  });
});
