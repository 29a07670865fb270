import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PosthornError } from '../../src/message/posthorn-error.ts';
import { QueueStory } from '../support/queue-story.ts';

function hasCode(error: unknown, code: string): error is PosthornError {
  return error instanceof PosthornError && error.code === code;
}

function isFull(error: unknown): boolean {
  return hasCode(error, 'QUEUE_FULL') && error.message.includes("'orders'") && error.mend.includes('purge');
}

describe('when a queue has a quota', () => {
  test('messages up to it are taken, the next is refused with the values, and room that is made is used again', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { quotaMessages: 3 });
    await story.send('orders', ['one', 'two']);
    await story.send('orders', 'three');
    await assert.rejects(story.send('orders', 'four'), isFull);
    const receiver = await story.manager.openReceiver('orders');
    const delivery = await story.receive(receiver);
    await assert.rejects(story.send('orders', 'four'), isFull, 'a locked message still takes its place');
    assert.ok(delivery !== undefined);
    await story.complete(delivery);
    receiver.close();
    await story.send('orders', 'four');
    assert.deepEqual(await story.drain('orders'), ['two', 'three', 'four']);
  });

  test('a unit that would go beyond it is refused whole', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { quotaMessages: 3 });
    await assert.rejects(story.send('orders', ['one', 'two', 'three', 'four']), isFull);
    assert.equal(story.status('orders').messages, 0);
    await story.send('orders', ['one', 'two', 'three']);
    assert.equal(story.status('orders').messages, 3);
  });

  test('units on their way count, so that many at once do not overshoot it', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { quotaMessages: 10 });
    const sends = Array.from({ length: 25 }, (_, index) => story.send('orders', `message ${index}`));
    const outcomes = await Promise.allSettled(sends);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 10);
    assert.equal(story.status('orders').messages, 10);
  });

  test('what a rolled back unit held is free again', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { quotaMessages: 1 });
    const work = story.manager.begin();
    await story.manager.send([story.message('orders', 'rolled back')], work);
    await assert.rejects(story.send('orders', 'too early'), isFull);
    work.rollback();
    await story.send('orders', 'in time');
    assert.deepEqual(await story.drain('orders'), ['in time']);
  });

  test('bytes are counted with headers and body, on both sides of the limit', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'x'.repeat(1000));
    const { bytes } = story.status('orders');
    await story.manager.declareQueue('orders', { quotaBytes: 2 * bytes });
    await story.send('orders', 'x'.repeat(1000));
    assert.equal(story.status('orders').bytes, 2 * bytes);
    await assert.rejects(story.send('orders', ''), isFull);
  });

  test('delayed messages count as well', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { quotaMessages: 2 });
    await story.send('orders', 'later', { delayMs: 1000 });
    await story.send('orders', 'now');
    await assert.rejects(story.send('orders', 'one more'), isFull);
    await story.advance(1000);
    await assert.rejects(story.send('orders', 'one more'), isFull);
    assert.deepEqual(await story.drain('orders'), ['now', 'later']);
  });

  test('it holds after a restart, and a queue without one has no limit', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { quotaMessages: 1 });
    await story.send('orders', 'one');
    await story.crash();
    await assert.rejects(story.send('orders', 'two'), isFull);
    assert.equal(story.status('orders').quotaMessages, 1);
    await story.manager.declareQueue('orders', {});
    await story.send('orders', ['two', 'three']);
  });
});

describe('when a message is too large', () => {
  test('the body limit holds to the byte, and nothing of the unit is stored', async () => {
    await using story = await QueueStory.begin();
    const bytesMax = 4 * 1024 * 1024;
    await story.send('orders', 'x'.repeat(bytesMax));
    await assert.rejects(
      story.sendAll([story.message('orders', 'small'), story.message('orders', 'x'.repeat(bytesMax + 1))]),
      (error) => hasCode(error, 'MESSAGE_TOO_LARGE') && error.message.includes(String(bytesMax + 1)),
    );
    assert.equal(story.status('orders').messages, 1);
  });

  test('so does the limit of the headers', async () => {
    await using story = await QueueStory.begin();
    await assert.rejects(story.send('orders', 'small', { headers: { large: 'x'.repeat(64 * 1024) } }), (error) =>
      hasCode(error, 'MESSAGE_TOO_LARGE'),
    );
    assert.equal(story.manager.hasQueue('orders') && story.status('orders').messages > 0, false);
  });
});
