import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { QueueStory } from '../support/queue-story.ts';

describe('when a queue is purged', () => {
  test('everything that waits goes, delayed messages included, in pages, and the count is told', async () => {
    await using story = await QueueStory.begin();
    await story.send(
      'orders',
      Array.from({ length: 700 }, (_, index) => `message ${index}`),
    );
    await story.send('orders', ['later', 'later still'], { delayMs: 60_000 });
    await story.send('other', 'untouched');
    const receiver = await story.manager.openReceiver('orders');
    assert.equal(await receiver.purge(), 702);
    receiver.close();
    const { messages, bytes, delayed, delayedBytes } = story.status('orders');
    assert.deepEqual(
      { messages, bytes, delayed, delayedBytes },
      { messages: 0, bytes: 0, delayed: 0, delayedBytes: 0 },
    );
    await story.advance(60_000);
    assert.deepEqual(await story.drain('orders'), []);
    assert.deepEqual(await story.drain('other'), ['untouched']);
  });

  test('what a receiver holds is left alone and can still be completed', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', ['held', 'waiting']);
    const receiver = await story.manager.openReceiver('orders');
    const held = await story.receive(receiver);
    assert.ok(held !== undefined);
    assert.equal(await receiver.purge(), 1);
    assert.equal(story.status('orders').messages, 1);
    await story.complete(held);
    assert.equal(story.status('orders').messages, 0);
  });

  test('nothing is dead-lettered by it, and nothing comes back after a crash', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', ['one', 'two'], { timeToBeReceivedMs: 60_000 });
    const receiver = await story.manager.openReceiver('orders');
    await receiver.purge();
    await story.crash();
    await story.advance(60_000);
    assert.deepEqual(await story.drain('orders'), []);
    assert.equal(story.manager.hasQueue('dead-letter'), false);
  });

  test('a purged message takes its count of failures with it', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'failed before');
    const receiver = await story.manager.openReceiver('orders');
    const delivery = await story.receive(receiver);
    assert.ok(delivery !== undefined);
    const work = story.manager.begin();
    delivery.countFailure(work, 4);
    await work.commit();
    delivery.release();
    await receiver.purge();
    const left = await story.manager.readState({ prefix: 'attempts/', countMax: 10 });
    assert.deepEqual(left.entries, []);
  });
});
