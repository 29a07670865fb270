import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { QueueStory } from '../support/queue-story.ts';

describe('when a queue keeps a journal', () => {
  test('each message received and committed leaves a copy, headers and body, in the order of the commits', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { journal: true });
    await story.send('orders', ['one', 'two'], { headers: { customer: '7' } });
    assert.deepEqual(await story.waiting('orders', 'journal'), []);
    await story.drain('orders');
    assert.deepEqual(await story.waiting('orders', 'journal'), ['one', 'two']);
    const page = await story.manager.browse({ queue: 'orders', kind: 'journal', countMax: 10 });
    assert.deepEqual(
      page.messages.map(({ headers }) => [headers?.[Header.messageId], headers?.customer]),
      [
        ['message-1', '7'],
        ['message-2', '7'],
      ],
    );
    assert.deepEqual([story.status('orders').messages, story.status('orders').journaled], [0, 2]);
  });

  test('a rollback leaves none, nor does a message that is given back', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { journal: true });
    await story.send('orders', 'one');
    const receiver = await story.manager.openReceiver('orders');
    const delivery = await story.receive(receiver);
    assert.ok(delivery !== undefined);
    const work = story.manager.begin();
    delivery.complete(work);
    work.rollback();
    delivery.release();
    assert.equal(story.status('orders').journaled, 0);
  });

  test('copies neither expire nor come back, and survive a crash', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { journal: true });
    await story.send('orders', 'one', { timeToBeReceivedMs: 1000 });
    await story.drain('orders');
    await story.advance(100_000);
    await story.crash();
    await story.advance(100_000);
    assert.deepEqual(await story.drain('orders'), []);
    assert.deepEqual(await story.waiting('orders', 'journal'), ['one']);
    assert.equal(story.status('orders').journaled, 1);
  });

  test('it can be turned off, and what it holds stays', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders', { journal: true });
    await story.send('orders', 'one');
    await story.drain('orders');
    await story.manager.declareQueue('orders', { journal: false });
    await story.send('orders', 'two');
    await story.drain('orders');
    assert.deepEqual(await story.waiting('orders', 'journal'), ['one']);
  });
});
