import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { Header } from '../../src/message/headers.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import { sequenceOf } from '../../src/store/store.ts';
import { browseAll } from '../support/browse-all.ts';
import { HeldStory } from '../support/held-story.ts';
import { textOf } from '../support/queue-story.ts';
import { textsOf } from '../support/transfer-story.ts';

const EVERYTHING = Number.MAX_SAFE_INTEGER;

describe('when sends are held', () => {
  test('no receiver, no listing and no verb sees them before they are released', async () => {
    await using story = await HeldStory.begin();
    await story.manager.declareQueue('billing');
    const { id } = await story.stage({ sends: [story.message('billing', 'held')] });
    for (const life of ['the one that sent', 'the next'] as const) {
      if (life === 'the next') await story.crash();
      const operations = new LocalOperations(story.manager, nodeIo());
      const all = { queue: 'billing', sequenceMax: EVERYTHING };
      assert.deepEqual(
        (await operations.describeQueues({})).queues.map(({ queue }) => queue),
        ['billing'],
        life,
      );
      assert.deepEqual([story.status('billing').messages, story.status('billing').delayed], [0, 0], life);
      assert.deepEqual(await story.waiting('billing'), [], life);
      assert.deepEqual(await story.drain('billing'), [], life);
      assert.equal((await operations.purgePage(all)).done, 0, life);
      assert.equal((await operations.movePage({ ...all, to: 'billing@beta' })).done, 0, life);
    }
    await story.continue(id).apply(id);
    assert.deepEqual(await story.drain('billing'), ['held']);
  });

  test('return-to-source leaves a held copy for the error queue alone, and returns it once it is released', async () => {
    await using story = await HeldStory.begin();
    await story.manager.declareQueue('billing');
    await story.manager.declareQueue('error');
    const headers = { [Header.failedQueue]: 'billing@test' };
    const { id, work } = await story.stage({ sends: [story.message('error', 'held', { headers })] });
    const operations = new LocalOperations(story.manager, story.machine.io);
    const returnAll = async (): Promise<string[]> => {
      const begun = await operations.startReturn({ errorQueue: 'error', filter: {} });
      await operations.continueReturn({ id: begun.id, countMax: 100 });
      return story.waiting('billing');
    };
    assert.deepEqual(await returnAll(), []);
    await work.apply(id);
    assert.deepEqual(await returnAll(), ['held']);
  });

  test('they keep every byte over restarts, and are released in the order in which they were sent', async () => {
    await using story = await HeldStory.begin();
    const sends = [
      story.message('billing', 'one', { headers: { Note: 'Zoë' } }),
      story.message('billing', 'urgent', { priority: 7 }),
      story.message('billing', 'two'),
    ];
    const { id } = await story.stage({ sends });
    await story.crash();
    await story.restart();
    assert.equal(story.heldAtOpen, 3);
    await story.continue(id).apply(id);
    assert.deepEqual(await story.waiting('billing'), ['urgent', 'one', 'two']);
    assert.equal((await story.headersIn('billing'))[1]?.Note, 'Zoë');
    assert.deepEqual(await story.drain('billing'), ['urgent', 'one', 'two']);
    await story.crash();
    assert.deepEqual([story.heldAtOpen, await story.recordIds(), story.failures], [0, [], []]);
  });

  test('their positions are those of their release: what was sent meanwhile stands before them', async () => {
    await using story = await HeldStory.begin();
    const first = await story.stage({ sends: [story.message('billing', 'held first')] });
    const second = await story.decide({ sends: [story.message('billing', 'held second')] });
    await story.send('billing', 'sent meanwhile');
    await second.work.release(second.id);
    await first.work.apply(first.id);
    assert.deepEqual(await story.waiting('billing'), ['sent meanwhile', 'held second', 'held first']);
    const sequences = (await browseAll(story.manager, 'billing')).map(({ position }) => sequenceOf(position));
    assert.equal(Math.max(...sequences), story.side.highestSequence());
    assert.deepEqual(await story.drain('billing'), ['sent meanwhile', 'held second', 'held first']);
  });

  test('a receiver that waits is told of a release, in this process and in the next', async () => {
    await using story = await HeldStory.begin();
    const sends = [story.message('billing', 'held')];
    const now = await story.stage({ sends });
    const later = await story.stage({ sends });
    const waitAnd = async (act: () => Promise<void>): Promise<string> => {
      const receiver = await story.manager.openReceiver('billing');
      const peeked = receiver.peek();
      await act();
      assert.equal(await peeked, true);
      const delivery = await story.receive(receiver);
      receiver.close();
      assert.ok(delivery);
      await story.complete(delivery);
      return textOf(delivery);
    };
    assert.equal(await waitAnd(() => now.work.apply(now.id)), 'held');
    await story.crash();
    assert.equal(await waitAnd(() => story.continue(later.id).apply(later.id)), 'held');
  });

  test('Q2: a held send does not hold up the other messages of its stream', async () => {
    await using story = await HeldStory.begin();
    const held = { ...story.message('billing', 'held'), destination: { queue: 'billing', machine: 'beta' } };
    const { id } = await story.decide({ sends: [held] });
    await story.sendTo('billing@beta', ['one', 'two']);
    const before = story.outgoing('billing@beta');
    const taken = await story.take(before);
    assert.deepEqual([textsOf(taken), before.hasMore, before.messages], [['one', 'two'], false, 2]);
    await story.acknowledge(before, taken);
    await story.crash();
    const after = story.outgoing('billing@beta');
    assert.deepEqual([after.messages, await story.take(after)], [0, []]);
    let toldCount = 0;
    after.listen(() => toldCount++);
    await story.continue(id).release(id);
    assert.ok(toldCount > 0, 'the stream is told');
    const released = await story.take(after);
    assert.deepEqual(textsOf(released), ['held']);
    assert.ok((released[0]?.position ?? 0) > (taken[1]?.position ?? 0));
    await story.acknowledge(after, released);
    assert.equal(after.messages, 0);
  });

  test('they do not expire while they are held; the time they have counts from their sending', async () => {
    await using story = await HeldStory.begin();
    const sends = [story.message('billing', 'short', { timeToBeReceivedMs: 1_000 })];
    const now = await story.stage({ sends });
    const later = await story.stage({ sends });
    await story.advance(60_000);
    assert.equal(story.manager.hasQueue('dead-letter'), false);
    assert.equal(await story.side.store.nextDeadline(0), undefined, 'nothing wakes the deadline keeper');
    await now.work.apply(now.id);
    await story.advance(0);
    assert.deepEqual(await story.waiting('dead-letter'), ['short']);
    await story.crash();
    assert.equal(story.heldAtOpen, 1);
    await story.continue(later.id).apply(later.id);
    await story.advance(0);
    assert.deepEqual(await story.waiting('dead-letter'), ['short', 'short']);
    assert.equal(story.status('billing').messages, 0);
  });

  test('delayed ones become due while they are held, and visible when they are released', async () => {
    await using story = await HeldStory.begin();
    const past = await story.stage({ sends: [story.message('billing', 'past', { delayMs: 1_000 })] });
    const future = await story.stage({ sends: [story.message('billing', 'future', { delayMs: 100_000 })] });
    await story.advance(10_000);
    await story.crash();
    assert.deepEqual([story.status('billing').messages, story.status('billing').delayed], [0, 0]);
    await story.continue(past.id).apply(past.id);
    await story.continue(future.id).apply(future.id);
    await story.advance(0);
    assert.deepEqual(
      [await story.waiting('billing'), await story.waiting('billing', 'delayed')],
      [['past'], ['future']],
    );
    await story.advance(90_000);
    assert.deepEqual(await story.drain('billing'), ['past', 'future']);
  });

  test('they count for quotas until they are released and after, or dropped', async () => {
    await using story = await HeldStory.begin();
    await story.manager.declareQueue('billing', { quotaMessages: 2 });
    const one = await story.stage({ sends: [story.message('billing', 'one')] });
    const two = await story.stage({ sends: [story.message('billing', 'two')] });
    await assert.rejects(story.send('billing', 'three'), { code: 'QUEUE_FULL' });
    await story.crash();
    await assert.rejects(story.send('billing', 'three'), { code: 'QUEUE_FULL' });
    await story.continue(one.id).apply(one.id);
    await assert.rejects(story.send('billing', 'three'), { code: 'QUEUE_FULL' });
    await story.continue(two.id).discard(two.id, undefined);
    await story.send('billing', 'three');
    await assert.rejects(story.send('billing', 'four'), { code: 'QUEUE_FULL' });
    assert.deepEqual(await story.drain('billing'), ['one', 'three']);
  });

  test('what is discarded is gone, in this process and in the next', async () => {
    await using story = await HeldStory.begin();
    const now = await story.stage({ sends: [story.message('billing', 'now')] });
    const later = await story.stage({ sends: [story.message('billing', 'later'), story.message('new', 'later')] });
    await now.work.discard(now.id, undefined);
    await story.crash();
    assert.equal(story.heldAtOpen, 2);
    await story.continue(later.id).discard(later.id, undefined);
    await story.crash();
    assert.deepEqual([story.heldAtOpen, await story.recordIds()], [0, []]);
    assert.deepEqual([await story.drain('billing'), await story.drain('new')], [[], []]);
  });
});
