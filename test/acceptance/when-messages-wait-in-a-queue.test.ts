import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { QueueStory, textOf } from '../support/queue-story.ts';

describe('when messages wait in a queue', () => {
  test('they are received in the order of their commits', async () => {
    await using story = await QueueStory.begin();
    const texts = Array.from({ length: 50 }, (_, index) => `message ${index}`);
    for (const text of texts) await story.send('orders', text);
    assert.deepEqual(await story.drain('orders'), texts);
  });

  test('a unit that began first and committed last stands last', async () => {
    await using story = await QueueStory.begin();
    await story.manager.declareQueue('orders');
    const early = story.manager.begin();
    await story.manager.send([story.message('orders', 'began first')], early);
    await story.send('orders', 'began second');
    await early.commit();
    assert.deepEqual(await story.drain('orders'), ['began second', 'began first']);
  });

  test('a higher priority goes first, and within one priority the order of the commits holds', async () => {
    await using story = await QueueStory.begin();
    for (const priority of [0, 7, 3, 7, 0, 3]) await story.send('orders', `priority ${priority}`, { priority });
    await story.send('orders', 'no priority given');
    await story.send('orders', 'priority 4', { priority: 4 });
    assert.deepEqual(await story.drain('orders'), [
      'priority 7',
      'priority 7',
      'priority 4',
      'priority 3',
      'priority 3',
      'no priority given',
      'priority 0',
      'priority 0',
    ]);
  });

  test('a message that was given back is in its place again, before those behind it and behind those before it', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', ['first', 'second', 'third']);
    const receiver = await story.manager.openReceiver('orders');
    const first = await story.receive(receiver);
    const second = await story.receive(receiver);
    assert.ok(first !== undefined && second !== undefined);
    second.release();
    first.release();
    receiver.close();
    assert.deepEqual(await story.drain('orders'), ['first', 'second', 'third']);
  });

  test('a rollback does not give a message back: whoever holds it decides, and only then is it in its place', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', ['first', 'second']);
    const receiver = await story.manager.openReceiver('orders');
    const first = await story.receive(receiver);
    assert.ok(first !== undefined);
    const work = story.manager.begin();
    first.complete(work);
    work.rollback();
    const second = await story.receive(receiver);
    assert.equal(second === undefined ? undefined : textOf(second), 'second');
    assert.equal(await story.receive(receiver), undefined, 'the first is still locked');
    first.release();
    second?.release();
    receiver.close();
    assert.deepEqual(await story.drain('orders'), ['first', 'second']);
  });

  test('each goes to exactly one of several receivers', async () => {
    await using story = await QueueStory.begin();
    const texts = Array.from({ length: 40 }, (_, index) => `message ${index}`);
    await story.send('orders', texts);
    const receivers = await Promise.all([1, 2, 3].map(() => story.manager.openReceiver('orders')));
    const received: string[] = [];
    for (let isEmpty = false; !isEmpty; ) {
      isEmpty = true;
      for (const receiver of receivers) {
        const delivery = await story.receive(receiver);
        if (delivery === undefined) continue;
        isEmpty = false;
        received.push(textOf(delivery));
      }
    }
    assert.deepEqual(received, texts);
    assert.equal(story.status('orders').inFlight, texts.length);
  });

  test('order, priorities and places survive the death of the process', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', ['first', 'second', 'third']);
    await story.send('orders', 'urgent', { priority: 7 });
    const receiver = await story.manager.openReceiver('orders');
    assert.ok((await story.receive(receiver)) !== undefined);
    await story.crash();
    await story.send('orders', 'fourth');
    assert.deepEqual(await story.drain('orders'), ['urgent', 'first', 'second', 'third', 'fourth']);
  });
});
