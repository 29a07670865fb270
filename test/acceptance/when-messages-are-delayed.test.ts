import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { formatTimestamp } from '../../src/message/timestamp.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import { QueueStory } from '../support/queue-story.ts';

const HOUR_MS = 3_600_000;

describe('when messages are delayed', () => {
  test('a delayed message is invisible until its time has come, and not a millisecond longer', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'later', { delayMs: 1000 });
    assert.deepEqual([story.status('orders').messages, story.status('orders').delayed], [0, 1]);
    await story.advance(999);
    assert.deepEqual(await story.drain('orders'), []);
    await story.advance(1);
    assert.deepEqual([story.status('orders').messages, story.status('orders').delayed], [1, 0]);
    assert.deepEqual(await story.drain('orders'), ['later']);
  });

  test('a delay of zero or less is none', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'now', { delayMs: 0 });
    await story.send('orders', 'overdue', { delayMs: -5 });
    assert.deepEqual(await story.drain('orders'), ['now', 'overdue']);
  });

  test('they become visible in the order of their times, behind what waits by then and within their priority', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'after 3 s', { delayMs: 3000 });
    await story.send('orders', 'after 1 s', { delayMs: 1000 });
    await story.send('orders', 'after 2 s, urgent', { delayMs: 2000, priority: 7 });
    await story.advance(1500);
    await story.send('orders', 'sent after 1.5 s');
    await story.advance(1500);
    assert.deepEqual(await story.drain('orders'), ['after 2 s, urgent', 'after 1 s', 'sent after 1.5 s', 'after 3 s']);
  });

  test('any number of delayed messages needs one timer, and none keeps no timer', async () => {
    await using story = await QueueStory.begin();
    const { timers } = story.machine.io;
    assert.equal(timers.armedCount, 0, 'an idle queue manager waits for nothing');
    for (let queue = 0; queue < 5; queue++) {
      const messages = Array.from({ length: 100 }, (_, index) =>
        story.message(`orders-${queue}`, 'later', { delayMs: HOUR_MS - index * 1000 }),
      );
      await story.sendAll(messages);
      assert.equal(timers.armedCount, 1);
    }
    await story.advance(HOUR_MS / 2);
    assert.equal(timers.armedCount, 1);
    await story.advance(HOUR_MS / 2);
    assert.equal(timers.armedCount, 0);
    assert.equal(story.status('orders-4').messages, 100);
  });

  test('nothing looks at the disk while they wait', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'later', { delayMs: 30 * 24 * HOUR_MS });
    await story.machine.settle();
    const before = story.machine.activity;
    await story.advance(30 * 24 * HOUR_MS - 1);
    assert.equal(story.machine.activity, before);
    await story.advance(1);
    assert.deepEqual(await story.drain('orders'), ['later']);
  });

  test('a shorter delay than the one waited for moves the timer forward', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'slow', { delayMs: HOUR_MS });
    await story.send('orders', 'quick', { delayMs: 1000 });
    await story.advance(1000);
    assert.deepEqual(await story.drain('orders'), ['quick']);
  });

  test('thousands that are due at once are all released, in their order', async () => {
    await using story = await QueueStory.begin();
    const texts = Array.from({ length: 2000 }, (_, index) => `message ${index}`);
    await story.send('orders', texts, { delayMs: 1000 });
    await story.advance(1000);
    assert.equal(story.status('orders').delayed, 0);
    assert.deepEqual(await story.drain('orders'), texts);
  });

  test('the delay goes on while no process runs, by a clean end and by a crash', async () => {
    for (const end of ['restart', 'crash'] as const) {
      await using story = await QueueStory.begin();
      await story.send('orders', 'later', { delayMs: 10_000 });
      await story.advance(4000);
      if (end === 'restart') await story.manager.close();
      else story.machine.crash();
      story.machine.io.clock.advance(5000);
      await story.open();
      assert.deepEqual(await story.drain('orders'), [], `${end}: 9 seconds have passed`);
      await story.advance(1000);
      assert.deepEqual(await story.drain('orders'), ['later'], end);
    }
  });

  test('what became due while no process ran is visible at once', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'later', { delayMs: 10_000 });
    await story.manager.close();
    story.machine.io.clock.advance(HOUR_MS);
    await story.open();
    assert.deepEqual(await story.drain('orders'), ['later']);
  });

  test('one that an operator held when its time came becomes visible when it is given back', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'later', { delayMs: 1000 });
    const page = await story.manager.takePage({ queue: 'orders', kind: 'delayed', countMax: 10 }, () => true);
    await story.advance(5000);
    assert.deepEqual(await story.drain('orders'), []);
    for (const { delivery } of page.taken) delivery.release();
    await story.advance(0);
    assert.deepEqual(await story.drain('orders'), ['later']);
  });

  test('a unit that is rolled back leaves no delayed message behind and arms no timer', async () => {
    await using story = await QueueStory.begin();
    const work = story.manager.begin();
    await story.manager.send([story.message('orders', 'never', { delayMs: 1000 })], work);
    work.rollback();
    assert.equal(story.machine.io.timers.armedCount, 0);
    assert.equal(story.status('orders').delayed, 0);
    await story.advance(2000);
    assert.deepEqual(await story.drain('orders'), []);
  });

  test('operators see when each is due by its place, whatever its headers say of an earlier delay', async () => {
    await using story = await QueueStory.begin();
    const { clock } = story.machine.io;
    await story.send('orders', 'put off once more', {
      delayMs: HOUR_MS,
      headers: { [Header.deliverAt]: formatTimestamp(clock.wallNowMs() + 100) },
    });
    await story.send('orders', 'never delayed', { timeToBeReceivedMs: HOUR_MS });
    const operations = new LocalOperations(story.manager, story.machine.io);
    const dueIn = async (kind: 'queue' | 'delayed'): Promise<(number | undefined)[]> =>
      (await operations.readMessages({ queue: 'orders', kind })).messages.map(({ dueMs }) =>
        dueMs === undefined ? undefined : dueMs - clock.wallNowMs(),
      );
    assert.deepEqual(await dueIn('delayed'), [HOUR_MS]);
    await story.advance(HOUR_MS / 2);
    assert.deepEqual(await dueIn('delayed'), [HOUR_MS / 2]);
    assert.deepEqual(await dueIn('queue'), [undefined], 'what waits has an expiry, and is due already');
  });
});
