import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import { TransferStory, textsOf } from '../support/transfer-story.ts';

const BETA = 'billing@beta';

/** One to four lie in the queue for beta; one and two may have left when the process died. */
async function sentAndDied(options: { readonly timeToBeReceivedMs?: number } = {}): Promise<TransferStory> {
  const story = await TransferStory.begin();
  await story.sendTo(BETA, ['one', 'two', 'three', 'four'], options);
  const queue = story.outgoing(BETA);
  const taken = await story.take(queue, 2);
  await story.noteSent(queue, taken[1]?.position ?? 0);
  return story;
}

function outcomeUnknown(story: TransferStory): [number | undefined, number | undefined, number | undefined] {
  const status = story.manager.outgoingStatus().find(({ queue }) => queue === BETA);
  return [status?.messages, status?.inFlight, status?.outcomeUnknown];
}

describe('when a process died while it sent to another machine', () => {
  test('what may have left is locked from the open on, and shown as of unknown outcome (G-T3)', async () => {
    await using story = await sentAndDied();
    await story.crash();
    assert.deepEqual(outcomeUnknown(story), [4, 2, 2]);
    await story.restart();
    assert.deepEqual(outcomeUnknown(story), [4, 2, 2], 'also after a process that sent nothing');
  });

  test('it does not expire, however long no transfer runs; what never left does', async () => {
    await using story = await sentAndDied({ timeToBeReceivedMs: 60_000 });
    story.machine.crash();
    story.machine.io.clock.advance(120_000);
    await story.open();
    await story.advance(120_000);
    assert.deepEqual(await story.waiting(BETA), ['one', 'two']);
    assert.deepEqual(await story.waiting('dead-letter'), ['three', 'four']);
    assert.deepEqual(story.failures, []);
  });

  test('no purge and no move of an operator takes it: they report it as locked', async () => {
    await using story = await sentAndDied();
    await story.crash();
    await story.manager.declareQueue('aside');
    const operations = new LocalOperations(story.manager, story.machine.processIo);
    const sequenceMax = story.manager.highestSequence();
    const moved = await operations.movePage({ queue: BETA, to: 'aside', sequenceMax, filter: { ids: ['message-3'] } });
    assert.deepEqual([moved.done, moved.locked], [1, 0]);
    const purged = await operations.purgePage({ queue: BETA, sequenceMax });
    assert.deepEqual([purged.done, purged.locked], [1, 2]);
    assert.deepEqual(await story.waiting(BETA), ['one', 'two']);
    assert.deepEqual(await story.waiting('aside'), ['three']);
  });

  test('the stream of the new process gets it first, once, without its body, and reads that when it has to send again', async () => {
    await using story = await sentAndDied();
    await story.crash();
    const queue = story.outgoing(BETA);
    const pinned = queue.takePinned();
    assert.deepEqual(
      pinned.map(({ headers, body }) => [Buffer.from(headers).toString(), body]),
      [
        [`{"${Header.messageId}":"message-1"}`, undefined],
        [`{"${Header.messageId}":"message-2"}`, undefined],
      ],
    );
    assert.deepEqual(queue.takePinned(), []);
    assert.equal(queue.sentUpTo, pinned[1]?.position);
    assert.deepEqual(textsOf(await queue.readLocked(0, 10)), ['one', 'two']);
    assert.deepEqual(textsOf(await story.take(queue)), ['three', 'four'], 'what follows comes in order');
  });

  test('acknowledged late, it leaves; found not to have arrived, it is given back and comes first', async () => {
    await using story = await sentAndDied();
    await story.crash();
    const queue = story.outgoing(BETA);
    const [one, two] = queue.takePinned();
    assert.ok(one !== undefined && two !== undefined);
    const work = story.manager.begin();
    queue.complete([{ position: one.position, byteCount: one.headers.byteLength + one.bodyBytes }], work);
    await work.commit();
    queue.release(two.position);
    assert.deepEqual(outcomeUnknown(story), [3, 0, 0]);
    assert.deepEqual(textsOf(await story.take(queue)), ['two', 'three', 'four']);
    await story.crash();
    assert.deepEqual(await story.waiting(BETA), ['two', 'three', 'four']);
  });

  test('given back after its time it expires, as any other', async () => {
    await using story = await sentAndDied({ timeToBeReceivedMs: 60_000 });
    await story.crash();
    await story.advance(120_000);
    const queue = story.outgoing(BETA);
    for (const { position } of queue.takePinned()) queue.release(position);
    assert.deepEqual(await story.take(queue), [], 'nothing that has expired is sent');
    await story.advance(0);
    assert.deepEqual(await story.waiting(BETA), []);
    assert.deepEqual((await story.waiting('dead-letter')).toSorted(), ['four', 'one', 'three', 'two']);
  });

  test('how far may have been sent counts when it is durable, and not before', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo(BETA, ['one', 'two']);
    const queue = story.outgoing(BETA);
    assert.equal(queue.sentUpTo, 0);
    const [one] = await story.take(queue, 1);
    const work = story.manager.begin();
    queue.setSentUpTo(one?.position ?? 0, work);
    assert.equal(queue.sentUpTo, 0);
    work.rollback();
    assert.equal(queue.sentUpTo, 0);
    await story.noteSent(queue, one?.position ?? 0);
    assert.equal(queue.sentUpTo, one?.position);
    await story.crash();
    assert.equal(story.outgoing(BETA).sentUpTo, one?.position);
  });

  test('more of it than a page holds is locked, all of it', async () => {
    await using story = await TransferStory.begin();
    const texts = Array.from({ length: 1300 }, (_, index) => `message ${index}`);
    await story.sendTo(BETA, texts);
    const queue = story.outgoing(BETA);
    const taken = await story.take(queue, 1200);
    await story.noteSent(queue, taken.at(-1)?.position ?? 0);
    await story.crash();
    assert.deepEqual(outcomeUnknown(story), [1300, 1200, 1200]);
    assert.equal(story.outgoing(BETA).takePinned().length, 1200);
    assert.deepEqual(textsOf(await story.take(story.outgoing(BETA))), texts.slice(1200));
  });
});
