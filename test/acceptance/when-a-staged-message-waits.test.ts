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
import { TRANSACTION_PREFIX } from '../../src/transactions/transaction-record.ts';
import { browseAll } from '../support/browse-all.ts';
import { HeldStory } from '../support/held-story.ts';

const EVERYTHING = Number.MAX_SAFE_INTEGER;

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

async function attemptsIn(story: HeldStory): Promise<readonly unknown[]> {
  return (await story.manager.readState({ prefix: 'attempts/', countMax: 10 })).entries;
}
