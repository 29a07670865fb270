import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import type { ManagerDescription, WorkedPage } from '../../src/operations/operations.ts';
import { StoppedManager } from '../../src/operations/stopped-manager.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';
import { sequenceOf } from '../../src/store/store.ts';
import { TRANSACTION_PREFIX } from '../../src/transactions/transaction-record.ts';
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

describe('when a message was received in a staged transaction', () => {
  test('Q1: it is locked from the open on for receivers, purge and move, and still there', async () => {
    await using story = await HeldStory.begin();
    await story.send('orders', ['staged', 'free']);
    const { id } = await story.stage({ input: 'orders' });
    await story.crash();
    const operations = new LocalOperations(story.manager, nodeIo());
    const all = { queue: 'orders', sequenceMax: EVERYTHING };
    assert.deepEqual([story.status('orders').messages, story.status('orders').inFlight], [2, 1]);
    assert.deepEqual(await story.drain('orders'), ['free']);
    assert.deepEqual(pageOf(await operations.movePage({ ...all, to: 'orders@beta' })), { done: 0, locked: 1 });
    assert.deepEqual(pageOf(await operations.purgePage(all)), { done: 0, locked: 1 });
    const receiver = await story.manager.openReceiver('orders');
    assert.equal(await receiver.purge(), 0);
    receiver.close();
    assert.deepEqual(await story.waiting('orders'), ['staged']);
    await story.continue(id).apply(id);
    assert.deepEqual([await story.waiting('orders'), story.status('orders').inFlight], [[], 0]);
  });

  test('Q1: it does not expire, nor does a deadline that passed hold up those of others', async () => {
    await using story = await HeldStory.begin();
    await story.send('orders', ['staged', 'free'], { timeToBeReceivedMs: 1_000 });
    const { id } = await story.stage({ input: 'orders' });
    await story.crash();
    await story.advance(5_000);
    assert.deepEqual([await story.waiting('orders'), await story.waiting('dead-letter')], [['staged'], ['free']]);
    await story.continue(id).discard(id, undefined);
    await story.advance(0);
    assert.deepEqual([await story.waiting('orders'), await story.waiting('dead-letter')], [[], ['free', 'staged']]);
  });

  test('Q1: a verb on a directory that nobody runs leaves it alone', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-staged-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const manager = await QueueManager.open({ directory, machine: 'alpha' });
    const message = (text: string) => ({
      destination: { queue: 'orders' },
      headers: headersOf({}),
      body: Buffer.from(text),
    });
    await manager.send([message('staged'), message('free')]);
    const [first] = (await browseAll(manager, 'orders')).map(({ position }) => position);
    const work = manager.begin();
    const id = 'P1.test';
    manager.setState(work, TRANSACTION_PREFIX + id, JSON.stringify(stagedRecord(id, 'orders', first ?? 0)));
    await work.commit();
    await manager.close();
    const stopped = new StoppedManager({ directory, io: nodeIo() });
    const { highestSequence } = (await stopped.perform('describeManager', {})) as ManagerDescription;
    const all = { queue: 'orders', sequenceMax: highestSequence };
    const moved = (await stopped.perform('movePage', { ...all, to: 'orders@beta' })) as WorkedPage;
    assert.deepEqual(pageOf(moved), { done: 1, locked: 1 });
    const purged = (await stopped.perform('purgePage', all)) as WorkedPage;
    await stopped.close();
    assert.deepEqual(pageOf(purged), { done: 0, locked: 1 });
  });

  test('applied by the next process it is gone once: into the journal, with its counts of attempts', async () => {
    await using story = await HeldStory.begin();
    await story.manager.declareQueue('orders', { journal: true });
    await story.send('orders', 'staged');
    // The process died while it was in flight, so there is a count to forget.
    const { id } = await story.stage({ input: 'orders', sends: [story.message('billing', 'sent')] });
    await story.crash();
    assert.equal((await attemptsIn(story)).length, 1);
    await story.continue(id).apply(id);
    assert.deepEqual([await attemptsIn(story), await story.waiting('orders', 'journal')], [[], ['staged']]);
    await story.crash();
    assert.deepEqual([await story.drain('orders'), await story.drain('billing')], [[], ['sent']]);
    assert.deepEqual([await story.waiting('orders', 'journal'), story.status('orders').journaled], [['staged'], 1]);
    assert.deepEqual(story.failures, []);
  });

  test('discarded by the next process it is in its place again, before those that were sent later', async () => {
    await using story = await HeldStory.begin();
    await story.send('orders', ['first', 'second']);
    const { id } = await story.stage({ input: 'orders', sends: [story.message('billing', 'never')] });
    await story.crash();
    const receiver = await story.manager.openReceiver('orders');
    assert.equal(await receiver.peek(), true);
    await story.continue(id).discard(id, undefined);
    receiver.close();
    assert.deepEqual(await story.drain('orders'), ['first', 'second']);
    assert.deepEqual(await story.drain('billing'), []);
  });

  test('killed in APPLY or in DISCARD, the next process finds all of it or nothing, and finishes once', async () => {
    for (const step of ['apply', 'discard'] as const) {
      await using story = await HeldStory.begin();
      await story.send('orders', 'input');
      const { id } = await story.stage({ input: 'orders', sends: [story.message('billing', 'sent')] });
      let unfinished = 0;
      for (let life = 0; life < 6; life++) {
        await story.crash();
        if ((await story.recordIds()).length === 0) break;
        unfinished++;
        assert.deepEqual([story.heldAtOpen, story.status('orders').inFlight], [1, 1]);
        // Handed over, and killed before the sync: chance decides whether it is there.
        void (step === 'apply' ? story.continue(id).apply(id) : story.continue(id).discard(id, undefined));
      }
      assert.ok(unfinished > 0);
      assert.deepEqual(await story.recordIds(), [], `after ${unfinished} lives`);
      assert.equal(story.heldAtOpen, 0);
      const left = [await story.drain('orders'), await story.drain('billing')];
      assert.deepEqual(left, step === 'apply' ? [[], ['sent']] : [['input'], []]);
    }
  });

  test('its sender hears of the receipt when the next process applies it, and not when it discards it', async () => {
    for (const [step, expected] of [
      ['apply', ['ACK_RECEIVE']],
      ['discard', []],
    ] as const) {
      await using story = await HeldStory.begin();
      const acknowledge = { queue: { queue: 'told' }, received: true };
      await story.send('orders', 'asked', { acknowledge });
      const { id, record } = await story.stage({ input: 'orders' });
      assert.deepEqual(
        record.sends.map(({ queue }) => queue),
        ['told'],
      );
      await story.crash();
      await (step === 'apply' ? story.continue(id).apply(id) : story.continue(id).discard(id, undefined));
      const told = (await story.headersIn('told')).map((headers) => headers?.[Header.acknowledgement]);
      assert.deepEqual(told, expected, step);
    }
  });

  test('state is changed when the next process applies it; the clock never goes back', async () => {
    await using story = await HeldStory.begin();
    const set = await story.stage({ state: { key: 'subscription/x', value: 'new' } });
    const deleted = await story.stage({ state: { key: 'subscription/y', value: undefined } });
    assert.deepEqual(set.record.parts, [{ kind: 'state', key: 'subscription/x', value: 'new' }]);
    const old = story.manager.begin();
    story.manager.setState(old, 'subscription/y', 'old');
    await story.advance(60_000);
    await old.commit();
    await story.restart();
    const clock = await stateOf(story, 'clock');
    await story.continue(set.id).apply(set.id);
    await story.continue(deleted.id).apply(deleted.id);
    assert.equal(await stateOf(story, 'subscription/x'), 'new');
    assert.equal(await stateOf(story, 'subscription/y'), undefined);
    assert.equal(await stateOf(story, 'clock'), clock);
  });

  test('a unit that began long ago writes the clock as it is when it is handed over', async () => {
    await using story = await HeldStory.begin();
    const work = story.manager.begin();
    await story.manager.send([story.message('billing', 'one')], work);
    await story.advance(60_000);
    await work.commit();
    const { steadyMs } = JSON.parse((await stateOf(story, 'clock')) ?? '{}') as { steadyMs: number };
    assert.equal(steadyMs, story.door.nowMs());
  });
});

describe('when a store with staged transactions was damaged', () => {
  test('a record that cannot be read is told and kept, and its sends stay held', async () => {
    await using story = await HeldStory.begin();
    const { id } = await story.stage({ sends: [story.message('billing', 'held')] });
    await setState(story, TRANSACTION_PREFIX + id, '{"id":');
    await story.restart();
    await story.restart();
    assert.deepEqual(
      codesOf(story.failures),
      ['TRANSACTION_RECORD_UNREADABLE', 'HELD_SENDS_WITHOUT_RECORD'].flatMap((code) => [code, code]).sort(),
    );
    assert.match(String(story.failures[0]), new RegExp(id.replaceAll('.', '\\.')));
    assert.deepEqual([story.side.found, await story.recordIds(), story.heldAtOpen], [[], [id], 1]);
    assert.deepEqual(await story.drain('billing'), []);
  });

  test('an input that is missing is told, and the rest of its transaction can be finished', async () => {
    await using story = await HeldStory.begin();
    await story.send('orders', 'staged');
    const { id, record } = await story.stage({ input: 'orders', sends: [story.message('billing', 'held')] });
    const [input, ...rest] = record.parts;
    assert.equal(input?.kind, 'input');
    const elsewhere = [{ ...input, position: 99 }, { ...input, queue: 'nowhere' }, ...rest];
    await setState(story, TRANSACTION_PREFIX + id, JSON.stringify({ ...record, parts: elsewhere }));
    await story.restart();
    assert.deepEqual(codesOf(story.failures), ['TRANSACTION_PART_MISSING', 'TRANSACTION_PART_MISSING']);
    await story.continue(id).apply(id);
    assert.deepEqual([await story.drain('billing'), await story.recordIds()], [['held'], []]);
  });

  test('a held send that is missing is told, and the rest of its transaction can be finished', async () => {
    for (const step of ['apply', 'discard'] as const) {
      await using story = await HeldStory.begin();
      const { id, record } = await story.stage({ sends: [story.message('billing', 'held')] });
      const [send] = record.sends;
      assert.ok(send);
      const sends = [{ ...send, position: send.position + 1000 }, send];
      await setState(story, TRANSACTION_PREFIX + id, JSON.stringify({ ...record, sends }));
      await story.restart();
      assert.deepEqual(codesOf(story.failures), ['TRANSACTION_PART_MISSING']);
      await (step === 'apply' ? story.continue(id).apply(id) : story.continue(id).discard(id, undefined));
      await story.restart();
      assert.deepEqual([await story.drain('billing'), story.heldAtOpen], [step === 'apply' ? ['held'] : [], 0]);
    }
  });
});

function pageOf({ done, locked }: WorkedPage): { done: number; locked: number } {
  return { done, locked };
}

function stagedRecord(id: string, queue: string, position: number): unknown {
  return {
    id,
    protocol: 'marker',
    state: 'staged',
    endpoint: 'sales',
    startedMs: 1,
    writtenMs: 1,
    parts: [{ kind: 'input', queue, position }],
    sends: [],
    branches: [],
  };
}

async function stateOf(story: HeldStory, key: string): Promise<string | undefined> {
  return (await story.manager.readState({ prefix: key, countMax: 1 })).entries[0]?.value;
}

async function setState(story: HeldStory, key: string, value: string): Promise<void> {
  const work = story.manager.begin();
  story.manager.setState(work, key, value);
  await work.commit();
}

async function attemptsIn(story: HeldStory): Promise<readonly unknown[]> {
  return (await story.manager.readState({ prefix: 'attempts/', countMax: 10 })).entries;
}

function codesOf(failures: readonly unknown[]): string[] {
  return failures.map((failure) => (failure as { code: string }).code).sort();
}
