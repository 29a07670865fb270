import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';
import type { DeliverAnswer } from '../../src/queues/transfer-door.ts';
import { requireCapability } from '../support/capabilities.ts';
import { mountTmpfs, whyNoTmpfs } from '../support/tmpfs.ts';
import { TransferStory } from '../support/transfer-story.ts';

function codeOf(answer: DeliverAnswer): string {
  return answer.kind === 'enlisted' ? 'enlisted' : `${answer.kind} ${answer.code}`;
}

const MEBIBYTE = 1024 * 1024;

async function withQueue(...names: string[]): Promise<TransferStory> {
  const story = await TransferStory.begin();
  for (const name of names) await story.manager.declareQueue(name);
  return story;
}

describe('when messages arrive from another machine', () => {
  test('they are in their queue when their unit commits, headers and bodies byte for byte', async () => {
    await using story = await withQueue('billing');
    const arrival = story.arrival('billing', 'one', { priority: 5 });
    const work = story.manager.begin();
    assert.deepEqual(story.door.deliver(arrival, work), { kind: 'enlisted' });
    assert.deepEqual(await story.waiting('billing'), []);
    await work.commit();
    const { messages } = await story.manager.browse({ queue: 'billing', countMax: 10, withBodies: true });
    assert.deepEqual([messages.length, messages[0]?.priority], [1, 5]);
    const { taken } = await story.manager.takePage({ queue: 'billing', countMax: 1, withBodies: true }, () => true);
    assert.deepEqual(Buffer.from(taken[0]?.delivery.headers ?? []), arrival.headers);
  });

  test('a unit that is rolled back delivers nothing, and takes nothing of the quota', async () => {
    await using story = await withQueue('billing');
    await story.manager.declareQueue('billing', { quotaMessages: 1 });
    const work = story.manager.begin();
    story.door.deliver(story.arrival('billing', 'one'), work);
    work.rollback();
    assert.equal(codeOf(await story.arrive('billing', 'two')), 'enlisted');
    assert.deepEqual(await story.waiting('billing'), ['two']);
  });

  test('a possible duplicate is marked, and only its headers are changed', async () => {
    await using story = await withQueue('billing');
    await story.arrive('billing', 'one', { isPossibleDuplicate: true, extraHeaders: { Note: 'kept' } });
    const [headers] = await story.headersIn('billing');
    assert.deepEqual(
      { ...headers },
      { [Header.messageId]: 'from-beta-one', Note: 'kept', [Header.possibleDuplicate]: 'true' },
    );
  });

  test('what is left of the time to be received counts from the arrival', async () => {
    await using story = await withQueue('prices');
    await story.arrive('prices', 'fresh', { timeToBeReceivedMs: 5000 });
    await story.arrive('prices', 'too late', { timeToBeReceivedMs: 0 });
    await story.advance(4999);
    assert.deepEqual(await story.waiting('prices'), ['fresh']);
    await story.advance(1);
    assert.deepEqual(await story.waiting('prices'), []);
    assert.deepEqual(await story.waiting('dead-letter'), ['too late', 'fresh']);
  });

  test('fault 44: for a queue that is not there they are refused for good, by name; the queue made again takes them', async () => {
    await using story = await withQueue();
    const answer = await story.arrive('billing', 'one');
    assert.deepEqual(answer, {
      kind: 'refused',
      code: 'NACK_BAD_DST_Q',
      text: "There is no queue 'billing' on machine 'test'.",
    });
    assert.equal(story.manager.hasQueue('billing'), false, 'nothing is made for a stranger');
    await story.manager.declareQueue('billing');
    assert.equal(codeOf(await story.arrive('billing', 'two')), 'enlisted');
  });

  test('fault 44: shortly after the start they are put off, because an endpoint may still make the queue', async () => {
    await using story = await TransferStory.begin({ missingQueueGraceMs: 30_000 });
    assert.equal(codeOf(await story.arrive('billing', 'one')), 'later QUEUE_NOT_YET_THERE');
    await story.advance(29_999);
    assert.equal(story.door.openForMs(), 29_999);
    assert.equal(codeOf(await story.arrive('billing', 'one')), 'later QUEUE_NOT_YET_THERE');
    await story.advance(1);
    assert.equal(codeOf(await story.arrive('billing', 'one')), 'refused NACK_BAD_DST_Q');
  });

  test('nobody can make this machine pass them on: a queue of another machine is no destination', async () => {
    await using story = await TransferStory.begin({ missingQueueGraceMs: 30_000 });
    await story.sendTo('billing@gamma', 'own');
    assert.equal(codeOf(await story.arrive('billing@gamma', 'foreign')), 'refused NACK_BAD_DST_Q');
    assert.deepEqual(await story.waiting('billing@gamma'), ['own']);
  });

  test('fault 45: a machine whose permission was taken back is refused by name, and taken again when it has it back', async () => {
    await using story = await withQueue('billing');
    assert.equal(codeOf(await story.arrive('billing', 'one')), 'enlisted');
    await story.manager.declareQueue('billing', { acceptFrom: ['gamma'] });
    const refusal = await story.arrive('billing', 'two');
    assert.deepEqual(refusal, {
      kind: 'refused',
      code: 'NACK_ACCESS_DENIED',
      text: "Queue 'billing' on machine 'test' takes no messages from machine 'beta'.",
    });
    assert.equal(codeOf(await story.arrive('billing', 'three', { fromMachine: 'GAMMA' })), 'enlisted');
    await story.send('billing', 'local');
    await story.manager.declareQueue('billing', { acceptFrom: ['gamma', 'Beta'] });
    await story.restart();
    assert.equal(codeOf(await story.arrive('billing', 'four')), 'enlisted');
    assert.deepEqual(await story.waiting('billing'), ['one', 'three', 'local', 'four']);
  });

  test('an error or audit queue takes them as any queue does; the dead-letter queue only when it is told from whom', async () => {
    await using story = await withQueue('error', 'audit', 'dead-letter');
    assert.equal(codeOf(await story.arrive('error', 'one')), 'enlisted');
    assert.equal(codeOf(await story.arrive('audit', 'one')), 'enlisted');
    assert.equal(codeOf(await story.arrive('dead-letter', 'one')), 'refused NACK_ACCESS_DENIED');
    await story.manager.declareQueue('dead-letter', { acceptFrom: ['beta'] });
    assert.equal(codeOf(await story.arrive('dead-letter', 'one')), 'enlisted');
  });

  test('fault 43: one that is larger than this machine takes is refused for good, with both sizes', async () => {
    await using story = await withQueue('billing');
    const bytesMax = story.door.bodyBytesMax;
    const answer = await story.arrive('billing', 'x', { body: Buffer.alloc(bytesMax + 1) });
    assert.equal(codeOf(answer), 'refused NACK_TOO_LARGE');
    assert.match(answer.kind === 'refused' ? answer.text : '', new RegExp(`${bytesMax + 1} bytes.*${bytesMax}`));
    assert.equal(codeOf(await story.arrive('billing', 'x', { body: Buffer.alloc(bytesMax) })), 'enlisted');
    await story.manager.declareQueue('billing', { quotaBytes: 100 });
    const alone = await story.arrive('billing', 'x', { body: Buffer.alloc(101) });
    assert.equal(codeOf(alone), 'refused NACK_TOO_LARGE', 'it would never fit, so it is not put off for ever');
  });

  test('headers that are too large, or are none, are refused for good', async () => {
    await using story = await withQueue('billing');
    const bad = async (headers: Uint8Array, isPossibleDuplicate = false): Promise<string> =>
      codeOf(await story.arrive('billing', 'x', { headers, isPossibleDuplicate }));
    const sized = (bytes: number): Uint8Array => Buffer.from(`{"a":"${'x'.repeat(bytes - 8)}"}`);
    assert.equal(await bad(sized(128 * 1024)), 'enlisted');
    assert.equal(await bad(sized(128 * 1024 + 1)), 'refused NACK_BAD_HEADERS');
    assert.equal(await bad(Buffer.from('')), 'refused NACK_BAD_HEADERS');
    assert.equal(await bad(Buffer.from('[1]')), 'refused NACK_BAD_HEADERS');
    assert.equal(await bad(Buffer.from('{"a":1}'), true), 'refused NACK_BAD_HEADERS');
    assert.equal(await bad(Buffer.from('{"a":1}')), 'enlisted', 'nobody parses them on the way');
  });

  test('fault 34: a full queue puts them off, counting those of the same unit and of others under way', async () => {
    await using story = await withQueue('billing');
    await story.manager.declareQueue('billing', { quotaMessages: 3 });
    await story.send('billing', 'there');
    const one = story.manager.begin();
    const two = story.manager.begin();
    assert.equal(codeOf(story.door.deliver(story.arrival('billing', 'a'), one)), 'enlisted');
    assert.equal(codeOf(story.door.deliver(story.arrival('billing', 'b'), two)), 'enlisted');
    const full = story.door.deliver(story.arrival('billing', 'c'), two);
    assert.deepEqual(full, { kind: 'later', code: 'QUEUE_FULL', text: "Queue 'billing' is full (3 messages of 3)." });
    await Promise.all([one.commit(), two.commit()]);
    assert.equal(codeOf(await story.arrive('billing', 'c')), 'later QUEUE_FULL');
    assert.deepEqual(await story.drain('billing'), ['there', 'a', 'b']);
    assert.equal(codeOf(await story.arrive('billing', 'c')), 'enlisted');
  });

  test('fault 34: bytes count as messages do', async () => {
    await using story = await withQueue('billing');
    const { headers, body } = story.arrival('billing', 'x');
    const bytes = headers.byteLength + body.byteLength;
    await story.manager.declareQueue('billing', { quotaBytes: 2 * bytes });
    assert.equal(codeOf(await story.arrive('billing', 'x')), 'enlisted');
    assert.equal(codeOf(await story.arrive('billing', 'y')), 'enlisted');
    assert.equal(codeOf(await story.arrive('billing', 'z')), 'later QUEUE_FULL');
  });

  test('fault 34: while the disk is full they are put off, and nothing of them is stored', async (t) => {
    if (!requireCapability(t, 'tmpfs', whyNoTmpfs)) return;
    const { directory } = mountTmpfs(t, 64 * MEBIBYTE);
    await using manager = await QueueManager.open({ directory: join(directory, 'alpha'), machine: 'alpha' });
    await manager.declareQueue('billing');
    writeFileSync(join(directory, 'somebody-else'), Buffer.alloc(56 * MEBIBYTE));
    const large = { destination: { queue: 'billing' }, headers: {}, body: Buffer.alloc(MEBIBYTE) };
    await assert.rejects(
      async () => {
        for (let sent = 0; sent < 64; sent++) await manager.send([large]);
      },
      { code: 'STORE_FULL' },
    );
    const messages = manager.status()[0]?.messages;
    const door = manager.transferDoor({ missingQueueGraceMs: 0 });
    assert.equal(door.storeCondition.state, 'full');
    const work = manager.begin();
    const message = {
      queue: 'billing',
      fromMachine: 'beta',
      headers: Buffer.from('{}'),
      body: Buffer.from('x'),
      priority: 3,
      timeToBeReceivedMs: undefined,
      isPossibleDuplicate: false,
    };
    const answer = door.deliver(message, work);
    assert.equal(codeOf(answer), 'later STORE_FULL');
    const missing = door.deliver({ ...message, queue: 'not-yet-made' }, work);
    assert.equal(codeOf(missing), 'later STORE_FULL', 'a queue that nobody can make now is not missing for good');
    work.rollback();
    assert.equal(manager.status()[0]?.messages, messages);
  });
});
