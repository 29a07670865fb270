import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { QueueStory, textOf } from '../support/queue-story.ts';

describe('when the queue manager restarts', () => {
  for (const end of ['restart', 'crash'] as const) {
    test(`counts and settings of its queues are what they were (${end})`, async () => {
      await using story = await QueueStory.begin();
      await story.manager.declareQueue('orders', { quotaMessages: 500, quotaBytes: 1_000_000, journal: true });
      await story.send('orders', ['one', 'two', 'three']);
      await story.send('orders', 'later', { delayMs: 60_000 });
      await story.send('orders', 'dropped', { timeToBeReceivedMs: 10, deadLetter: false });
      await story.advance(10);
      const receiver = await story.manager.openReceiver('orders');
      const first = await story.receive(receiver);
      assert.ok(first !== undefined);
      await story.complete(first);
      receiver.close();
      const before = story.manager.status();
      await story[end]();
      assert.deepEqual(story.manager.status(), before);
      assert.equal(story.status('orders').expired, 1);
      assert.equal(story.status('orders').journaled, 1);
    });

    test(`counted failures of a waiting message are what they were (${end})`, async () => {
      await using story = await QueueStory.begin();
      await story.send('orders', ['failed twice', 'never failed']);
      const receiver = await story.manager.openReceiver('orders');
      const delivery = await story.receive(receiver);
      assert.ok(delivery !== undefined);
      const work = story.manager.begin();
      delivery.countFailure(work, 2);
      await work.commit();
      delivery.release();
      receiver.close();
      await story[end]();
      const next = await story.manager.openReceiver('orders');
      const [one, two] = [await story.receive(next), await story.receive(next)];
      assert.deepEqual([one?.failedAttempts, two?.failedAttempts], [2, 0]);
      assert.deepEqual([one?.deaths, two?.deaths], [0, 0], 'it was not in flight at the end');
    });
  }

  test('what was in flight at a crash waits again with one death more, and runs alone', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', ['in flight', 'also in flight', 'waiting']);
    const receiver = await story.manager.openReceiver('orders');
    assert.ok((await story.receive(receiver)) !== undefined);
    assert.ok((await story.receive(receiver)) !== undefined);
    await story.crash();
    const next = await story.manager.openReceiver('orders');
    const first = await story.receive(next);
    assert.ok(first !== undefined);
    assert.deepEqual([textOf(first), first.deaths], ['in flight', 1]);
    assert.equal(await story.receive(next), undefined, 'nothing starts beside it');
    await story.complete(first);
    const second = await story.receive(next);
    assert.ok(second !== undefined);
    assert.deepEqual([textOf(second), second.deaths], ['also in flight', 1]);
    await story.complete(second);
    const third = await story.receive(next);
    assert.deepEqual([third && textOf(third), third?.deaths], ['waiting', 0]);
  });

  test('what comes before a suspect by its priority while it waits to run alone is received first', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'in flight');
    await story.send('other', 'running');
    assert.ok((await story.receive(await story.manager.openReceiver('orders'))) !== undefined);
    await story.crash();
    const [orders, other] = [await story.manager.openReceiver('orders'), await story.manager.openReceiver('other')];
    const running = await story.receive(other);
    assert.ok(running !== undefined);
    assert.equal(await story.receive(orders), undefined, 'the suspect waits until nothing else runs');
    await story.send('orders', 'urgent', { priority: 7 });
    await story.complete(running);
    assert.deepEqual(await story.drain('orders'), ['urgent', 'in flight']);
  });

  test('what was completed before the crash does not come back, whatever of the last units survived', async () => {
    for (let round = 0; round < 20; round++) {
      await using story = await QueueStory.begin();
      const texts = Array.from({ length: 10 }, (_, index) => `message ${index}`);
      await story.send('orders', texts);
      const receiver = await story.manager.openReceiver('orders');
      const first = await story.receive(receiver);
      assert.ok(first !== undefined);
      await story.complete(first);
      for (let draws = 0; draws < round; draws++) story.machine.io.random.fraction();
      const unanswered = [await story.receive(receiver), await story.receive(receiver)];
      for (const delivery of unanswered) if (delivery !== undefined) void story.complete(delivery);
      await story.crash();
      const left = await story.drain('orders');
      const goneCount = texts.length - left.length;
      assert.ok(goneCount >= 1 && goneCount <= 3);
      assert.deepEqual(left, texts.slice(goneCount), 'units survive as a prefix of their order');
    }
  });

  test('a crash while it opens counts a death once', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'in flight');
    const receiver = await story.manager.openReceiver('orders');
    assert.ok((await story.receive(receiver)) !== undefined);
    await story.crash();
    for (let times = 0; times < 3; times++) await story.crash();
    const next = await story.manager.openReceiver('orders');
    assert.equal((await story.receive(next))?.deaths, 1);
  });

  test('sequences are never given out twice, so what is sent after a crash stands behind what was sent before', async () => {
    await using story = await QueueStory.begin();
    const texts: string[] = [];
    for (let round = 0; round < 5; round++) {
      texts.push(`round ${round}, first`, `round ${round}, second`);
      await story.send('orders', texts.slice(-2));
      await story.crash();
    }
    assert.deepEqual(await story.drain('orders'), texts);
  });
});
