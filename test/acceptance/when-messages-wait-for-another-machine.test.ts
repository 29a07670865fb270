import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { Header, headersOf } from '../../src/message/headers.ts';
import { ReturnToSource } from '../../src/operations/return-to-source.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';
import { DATABASE_FILE } from '../../src/store/store-directory.ts';
import { TestMachine } from '../../src/testing/test-machine.ts';
import { headersOfEntry, pinnedOf, TransferStory, textsOf } from '../support/transfer-story.ts';

describe('when messages wait for another machine', () => {
  test('they lie in one outgoing queue, however the machine name is written, and not among the queues of this machine', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@Beta', 'one');
    await story.sendTo('billing@beta', 'two');
    await story.sendTo('billing@BETA', 'three');
    assert.deepEqual(story.manager.status(), []);
    const [status, ...others] = story.manager.outgoingStatus();
    assert.deepEqual(others, []);
    assert.deepEqual([status?.queue, status?.machine, status?.messages], ['billing@beta', 'beta', 3]);
    assert.deepEqual(await story.waiting('billing@BETA'), ['one', 'two', 'three']);
    assert.equal(story.manager.hasQueue('billing@Beta'), true);
    assert.equal(story.manager.hasQueue('billing'), false);
  });

  test('this machine by its name or an alias, in any case, is not another one', async () => {
    const machine = new TestMachine({ name: 'Alpha' });
    await using manager = await machine.openQueueManager({ aliases: ['mail.example'] });
    for (const name of ['alpha', 'ALPHA', 'Mail.Example', 'mail.example']) {
      await manager.send([{ destination: { queue: 'orders', machine: name }, headers: {}, body: Buffer.from(name) }]);
      assert.equal(manager.isHere(name), true);
    }
    assert.deepEqual(manager.outgoingStatus(), []);
    assert.deepEqual(
      manager.status().map(({ queue, messages }) => [queue, messages]),
      [['orders', 4]],
    );
    await manager.declareQueue('orders@ALPHA', { quotaMessages: 5 });
    assert.equal(manager.status()[0]?.quotaMessages, 5);
    (await manager.openReceiver('orders@mail.EXAMPLE')).close();
    assert.equal(manager.isHere('beta'), false);
  });

  test('nobody can receive from an outgoing queue', async () => {
    await using story = await TransferStory.begin();
    await assert.rejects(story.manager.openReceiver('billing@beta'), { code: 'QUEUE_ON_OTHER_MACHINE' });
    assert.deepEqual(story.manager.outgoingStatus(), [], 'and asking makes none');
  });

  test('the transfer is shown every outgoing queue once: those of before, and each that is made', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', 'one');
    const found: string[] = [];
    story.door.watchOutgoing(({ name, destination }) =>
      found.push(`${name} ${destination.queue} ${destination.machine}`),
    );
    assert.deepEqual(found, ['billing@beta billing beta']);
    await story.sendTo('billing@beta', 'two');
    await story.sendTo('shipping@gamma', 'three');
    await story.send('local', 'four');
    assert.deepEqual(found, ['billing@beta billing beta', 'shipping@gamma shipping gamma']);
    assert.throws(() => story.manager.transferDoor({ missingQueueGraceMs: 0 }), { code: 'INVARIANT_BROKEN' });
  });

  test('they are taken in the order of their commits, whatever their priority, which travels in a header unless it is the default', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', 'low', { priority: 0 });
    await story.sendTo('billing@beta', 'default');
    await story.sendTo('billing@beta', 'high', { priority: 7 });
    await story.sendTo('billing@beta', 'default, said', { priority: 3, headers: { Note: '"Posthorn.Priority"' } });
    const queue = story.outgoing('billing@beta');
    const taken = await story.take(queue);
    assert.deepEqual(textsOf(taken), ['low', 'default', 'high', 'default, said']);
    assert.deepEqual(
      taken.map((entry) => queue.priorityOf(entry)),
      [0, 3, 7, 3],
    );
    assert.deepEqual(
      taken.map((entry) => headersOfEntry(entry)[Header.priority]),
      ['0', undefined, '7', undefined],
    );
    assert.deepEqual(
      taken.map(({ position }) => position),
      taken.map(({ position }) => position).toSorted((one, other) => one - other),
    );
    assert.ok((taken.at(-1)?.position ?? 0) <= queue.highestPosition());
    const page = await story.manager.browse({ queue: 'billing@beta', countMax: 10 });
    assert.deepEqual(
      page.messages.map(({ priority }) => priority),
      [0, 3, 7, 3],
    );
  });

  test('a local queue has none of these headers', async () => {
    await using story = await TransferStory.begin();
    await story.send('orders', 'local', { priority: 7, timeToReachQueueMs: 1000 });
    const [headers] = await story.headersIn('orders');
    assert.deepEqual(Object.keys(headers ?? {}), [Header.messageId]);
  });

  test('moved byte for byte they keep the priority they have, into the outgoing queue and out of it', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', 'urgent', { priority: 6 });
    const move = async (from: string, to: { queue: string; machine?: string }): Promise<void> => {
      const { taken } = await story.manager.takePage({ queue: from, countMax: 10, withBodies: true }, () => true);
      const work = story.manager.begin();
      for (const { delivery } of taken) {
        const { body, priority, headers: headerBytes } = delivery;
        await story.manager.send([{ destination: to, headers: {}, headerBytes, body, priority }], work);
        delivery.complete(work);
      }
      await work.commit();
    };
    const priorities = async (queue: string): Promise<number[]> =>
      (await story.manager.browse({ queue, countMax: 10 })).messages.map(({ priority }) => priority);
    await move('billing@beta', { queue: 'here' });
    assert.deepEqual(await priorities('here'), [6]);
    await move('here', { queue: 'billing', machine: 'gamma' });
    assert.deepEqual(await priorities('billing@gamma'), [6]);
    assert.deepEqual(await priorities('billing@beta'), []);
  });

  test('what has arrived leaves the queue when its unit commits; rolled back, it stays with the stream', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', ['one', 'two', 'three']);
    const queue = story.outgoing('billing@beta');
    const taken = await story.take(queue);
    const work = story.manager.begin();
    queue.complete(taken.slice(0, 2).map(pinnedOf), work);
    work.rollback();
    assert.deepEqual([queue.messages, queue.takeNext(), queue.hasMore], [3, undefined, false]);
    await story.acknowledge(queue, taken.slice(0, 2));
    assert.deepEqual([queue.messages, queue.bytes], [1, pinnedOf(taken[2] as never).byteCount]);
    assert.deepEqual(await story.waiting('billing@beta'), ['three']);
    assert.throws(() => queue.complete(taken.slice(0, 1).map(pinnedOf), story.manager.begin()), {
      code: 'INVARIANT_BROKEN',
    });
  });

  test('with a journal, copies of what has arrived are kept in the journal of the outgoing queue', async () => {
    await using story = await TransferStory.begin();
    await story.manager.declareQueue('billing@Beta', { journal: true });
    await story.sendTo('billing@beta', ['one', 'two']);
    const queue = story.outgoing('billing@beta');
    await story.acknowledge(queue, await story.take(queue));
    assert.deepEqual(await story.waiting('billing@beta'), []);
    assert.deepEqual(await story.waiting('billing@beta', 'journal'), ['one', 'two']);
    await story.crash();
    assert.deepEqual(await story.waiting('billing@beta', 'journal'), ['one', 'two']);
    assert.equal(story.manager.outgoingStatus()[0]?.journaled, 2);
  });

  test('an outgoing queue has limits of its own', async () => {
    await using story = await TransferStory.begin();
    await story.manager.declareQueue('billing@beta', { quotaMessages: 2 });
    await story.sendTo('billing@beta', ['one', 'two']);
    await assert.rejects(story.sendTo('billing@BETA', 'three'), { code: 'QUEUE_FULL' });
    await story.sendTo('billing@gamma', 'three');
    assert.deepEqual(
      story.manager.outgoingStatus().map(({ queue, messages }) => [queue, messages]),
      [
        ['billing@beta', 2],
        ['billing@gamma', 1],
      ],
    );
  });

  test('a delayed message waits here and joins the queue when it is due, behind what was sent before', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', 'later', { delayMs: 10_000, priority: 7 });
    const queue = story.outgoing('billing@beta');
    assert.deepEqual([queue.messages, queue.delayed, queue.hasMore], [0, 1, false]);
    await story.advance(9_999);
    await story.sendTo('billing@beta', 'before');
    let told = 0;
    queue.listen(() => told++);
    await story.advance(1);
    assert.ok(told > 0);
    await story.sendTo('billing@beta', 'after');
    const taken = await story.take(queue);
    assert.deepEqual(textsOf(taken), ['before', 'later', 'after']);
    assert.equal(queue.priorityOf(taken[1] as never), 7);
  });

  test('while anybody else holds one of them none is given, and the end of that is told, kept or gone', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', ['one', 'two', 'three', 'four']);
    const queue = story.outgoing('billing@beta');
    const [first] = await story.take(queue, 1);
    assert.equal(Buffer.from(first?.body ?? []).toString(), 'one');
    const page = await story.manager.takePage({ queue: 'billing@beta', countMax: 10 }, () => true);
    assert.deepEqual([page.taken.length, page.lockedCount], [3, 1]);
    assert.deepEqual(await story.take(queue), [], 'nothing, not even what nobody holds');
    let told = 0;
    queue.listen(() => told++);
    page.taken[0]?.delivery.release();
    page.taken[2]?.delivery.release();
    const afterReleases = told;
    assert.ok(afterReleases > 0);
    assert.deepEqual(await story.take(queue), []);
    const work = story.manager.begin();
    page.taken[1]?.delivery.complete(work);
    await work.commit();
    assert.ok(told > afterReleases, 'a message that went away is told too');
    assert.deepEqual(textsOf(await story.take(queue)), ['two', 'four']);
  });

  test('what is given back unsent comes again in its place', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', ['one', 'two', 'three']);
    const queue = story.outgoing('billing@beta');
    const taken = await story.take(queue, 2);
    for (const { position } of taken.toReversed()) queue.release(position);
    assert.equal(queue.hasMore, true);
    assert.deepEqual(textsOf(await story.take(queue)), ['one', 'two', 'three']);
    assert.throws(() => queue.release(123_456), { code: 'INVARIANT_BROKEN' });
  });

  test('what is locked can be read again with its bodies, page by page, and nothing else', async () => {
    await using story = await TransferStory.begin();
    const texts = Array.from({ length: 25 }, (_, index) => `message ${index}`);
    await story.sendTo('billing@beta', texts);
    const queue = story.outgoing('billing@beta');
    const taken = await story.take(queue, 20);
    await story.acknowledge(queue, taken.slice(0, 5));
    const read: string[] = [];
    for (let after = 0; ; ) {
      const page = await queue.readLocked(after, 4);
      const last = page.at(-1);
      if (last === undefined) break;
      read.push(...textsOf(page));
      after = last.position;
    }
    assert.deepEqual(read, texts.slice(5, 20));
    assert.deepEqual(await queue.readLocked(taken[19]?.position ?? 0, 4), []);
  });

  test('at rest it holds no message in memory, and the next take reads again', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', ['one', 'two', 'three']);
    const queue = story.outgoing('billing@beta');
    assert.equal((await story.take(queue, 1)).length, 1);
    queue.rest();
    queue.rest();
    await story.sendTo('billing@beta', 'four');
    assert.equal(queue.takeNext(), undefined, 'it has to be read first');
    assert.deepEqual(textsOf(await story.take(queue)), ['two', 'three', 'four']);
  });

  test('an arriving message is told also while nothing was taken yet', async () => {
    await using story = await TransferStory.begin();
    await story.manager.declareQueue('billing@beta');
    const queue = story.outgoing('billing@beta');
    assert.equal(queue.hasMore, false);
    const told: boolean[] = [];
    queue.listen(() => told.push(queue.hasMore));
    await story.sendTo('billing@beta', 'one');
    assert.deepEqual(told, [true]);
  });

  test('the age of the oldest is that of the first, and there is none without messages', async () => {
    await using story = await TransferStory.begin();
    await story.manager.declareQueue('billing@beta');
    const queue = story.outgoing('billing@beta');
    assert.equal(await queue.oldestSentMs(), undefined);
    await story.sendTo('billing@beta', 'one', { headers: { [Header.timeSent]: '2030-01-01 00:00:05:000000 Z' } });
    await story.sendTo('billing@beta', 'two', { headers: { [Header.timeSent]: '2030-01-01 00:00:01:000000 Z' } });
    assert.equal(await queue.oldestSentMs(), Date.UTC(2030, 0, 1, 0, 0, 5));
  });

  test('one that is refused for good goes to the dead-letter queue of this machine, and returns from there to the same destination', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', ['one', 'two'], { timeToBeReceivedMs: 60_000 });
    const queue = story.outgoing('billing@beta');
    const taken = await story.take(queue);
    const [stored] = await queue.readLocked(0, 1);
    const work = story.manager.begin();
    queue.deadLetter(stored as never, 'NACK_BAD_DST_Q', "There is no queue 'billing' on machine 'beta'.", work);
    queue.complete(taken.slice(1).map(pinnedOf), work);
    await work.commit();
    assert.equal(queue.messages, 0);
    assert.deepEqual(await story.waiting('dead-letter'), ['one']);
    const [headers] = await story.headersIn('dead-letter');
    assert.equal(headers?.[Header.deadLetterReason], 'NACK_BAD_DST_Q');
    assert.equal(headers?.[Header.deadLetterText], "There is no queue 'billing' on machine 'beta'.");
    assert.equal(headers?.[Header.deadLetterQueue], 'billing@beta');
    assert.equal(headers?.[Header.timeToBeReceived], undefined);
    await story.advance(120_000);
    assert.deepEqual(await story.waiting('dead-letter'), ['one'], 'the copy does not expire');
    const returns = new ReturnToSource(story.manager, story.machine.processIo);
    const { id } = await returns.start({ errorQueue: 'dead-letter', filter: {}, to: undefined });
    assert.equal((await returns.continue(id, 10)).returned, 1);
    assert.deepEqual(await story.waiting('billing@beta'), ['one']);
    assert.deepEqual(Object.keys((await story.headersIn('billing@beta'))[0] ?? {}), [Header.messageId]);
  });

  test('the dead-letter queue takes it whatever its quota', async () => {
    await using story = await TransferStory.begin();
    await story.manager.declareQueue('dead-letter', { quotaMessages: 1 });
    await story.sendTo('billing@beta', ['one', 'two'], { timeToReachQueueMs: 1000 });
    await story.advance(1000);
    assert.deepEqual(await story.waiting('dead-letter'), ['one', 'two']);
  });

  test('what waits for a machine whose name has become one of ours is still within reach of an operator', async () => {
    const machine = new TestMachine({ name: 'alpha' });
    const before = await machine.openQueueManager();
    await before.send([{ destination: { queue: 'billing', machine: 'beta' }, headers: {}, body: Buffer.from('x') }]);
    await before.close();
    await using manager = await machine.openQueueManager({ aliases: ['beta'] });
    await manager.send([{ destination: { queue: 'billing', machine: 'beta' }, headers: {}, body: Buffer.from('y') }]);
    assert.equal((await manager.browse({ queue: 'billing@Beta', countMax: 10 })).messages.length, 1);
    assert.equal((await manager.browse({ queue: 'billing', countMax: 10 })).messages.length, 1);
  });

  test('one whose stored bytes are damaged is not sent: it goes to the dead-letter queue, and those behind it follow', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-damaged-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const before = await QueueManager.open({ directory, machine: 'alpha' });
    for (const text of ['one', 'two', 'three']) {
      const headers = headersOf({ [Header.messageId]: text });
      await before.send([{ destination: { queue: 'billing', machine: 'beta' }, headers, body: Buffer.from(text) }]);
    }
    await before.close();
    const database = new DatabaseSync(join(directory, DATABASE_FILE));
    database.exec(`UPDATE message SET body = CAST('owt' AS BLOB) WHERE body = CAST('two' AS BLOB)`);
    database.close();
    await using manager = await QueueManager.open({ directory, machine: 'alpha' });
    const taken: string[] = [];
    await new Promise<void>((resolve) => {
      manager.transferDoor({ missingQueueGraceMs: 0 }).watchOutgoing((queue) => {
        const takeAll = (): void => {
          for (let entry = queue.takeNext(); entry !== undefined; entry = queue.takeNext()) {
            taken.push(Buffer.from(entry.body).toString());
          }
          if (!queue.hasMore) resolve();
        };
        queue.listen(takeAll);
        takeAll();
      });
    });
    assert.deepEqual(taken, ['one', 'three']);
    const { messages } = await manager.browse({ queue: 'dead-letter', countMax: 10 });
    assert.deepEqual(
      messages.map(({ id, headers }) => [id, headers?.[Header.deadLetterReason], headers?.[Header.deadLetterQueue]]),
      [['two', 'DAMAGED_MESSAGE', 'billing@beta']],
    );
  });
});
