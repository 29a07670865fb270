import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Endpoint } from 'posthorn';
import { silentLogger } from '../../src/io/logger.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import { TransferStory } from '../support/transfer-story.ts';

const ASKS = { acknowledge: { queue: { queue: 'acks' } } } as const;

/** What the administration queue was told: class, of which message, meant for which queue. */
async function told(story: TransferStory, queue = 'acks'): Promise<(string | undefined)[][]> {
  if (!story.manager.hasQueue(queue)) return [];
  const page = await story.manager.browse({ queue, countMax: 100 });
  return page.messages.map(({ headers, bodyBytes }) => {
    assert.equal(bodyBytes, 2);
    assert.equal(headers?.[Header.administrationQueue], undefined, 'it is never acknowledged itself');
    assert.notEqual(headers?.[Header.messageId], headers?.[Header.correlationId]);
    return [headers?.[Header.acknowledgement], headers?.[Header.correlationId], headers?.[Header.acknowledgedQueue]];
  });
}

describe('when acknowledgements are asked for', () => {
  test('in a queue of this machine: that it was reached comes with the message, that it was received with the unit of its receiver', async () => {
    await using story = await TransferStory.begin();
    const work = story.manager.begin();
    await story.manager.send([story.message('orders', 'one', ASKS)], work);
    work.rollback();
    assert.deepEqual(await told(story), [], 'nothing was sent');
    await story.send('orders', 'two', ASKS);
    assert.deepEqual(await told(story), [['ACK_REACH_QUEUE', 'message-2', 'orders@test']]);
    const receiver = await story.manager.openReceiver('orders');
    const delivery = await story.receive(receiver);
    assert.ok(delivery !== undefined);
    const attempt = story.manager.begin();
    delivery.complete(attempt);
    attempt.rollback();
    assert.equal((await told(story)).length, 1, 'a handler that failed has received nothing');
    await story.complete(delivery);
    receiver.close();
    assert.deepEqual((await told(story)).at(-1), ['ACK_RECEIVE', 'message-2', 'orders@test']);
    assert.equal((await told(story)).length, 2);
  });

  test('only what was asked for is told', async () => {
    await using story = await TransferStory.begin();
    const queue = { queue: 'acks' };
    await story.send('orders', 'reached', { acknowledge: { queue, reached: true } });
    await story.send('orders', 'received', { acknowledge: { queue, received: true } });
    await story.send('orders', 'neither', { acknowledge: { queue, reached: false, received: false } });
    await story.send('orders', 'nothing');
    await story.drain('orders');
    assert.deepEqual(await told(story), [
      ['ACK_REACH_QUEUE', 'message-1', 'orders@test'],
      ['ACK_RECEIVE', 'message-2', 'orders@test'],
    ]);
  });

  test('a delayed message reaches its queue when it is due', async () => {
    await using story = await TransferStory.begin();
    await story.send('orders', 'later', { delayMs: 1000, ...ASKS });
    assert.deepEqual(await told(story), []);
    await story.advance(1000);
    assert.deepEqual(await told(story), [['ACK_REACH_QUEUE', 'message-1', 'orders@test']]);
  });

  test('for another machine: it is told there, in the unit of the arrival, and the answer goes back as any message', async () => {
    await using alpha = await TransferStory.begin();
    await using beta = await TransferStory.begin();
    await beta.manager.declareQueue('billing');
    await alpha.sendTo('billing@beta', 'one', ASKS);
    assert.deepEqual(await told(alpha), [], 'it has not arrived yet');
    const [entry] = await alpha.take(alpha.outgoing('billing@beta'));
    assert.ok(entry !== undefined);
    const { headers, body } = entry;
    const work = beta.manager.begin();
    assert.equal(beta.door.deliver({ ...beta.arrival('billing', ''), headers, body }, work).kind, 'enlisted');
    work.rollback();
    await beta.arrive('billing', '', { headers, body });
    // Both machines of this story are called 'test', so what beta tells stays with beta.
    assert.deepEqual(await told(beta), [['ACK_REACH_QUEUE', 'message-1', 'billing@test']]);
    await beta.drain('billing');
    assert.deepEqual((await told(beta)).at(-1), ['ACK_RECEIVE', 'message-1', 'billing@test']);
  });

  test('an administration queue on another machine gets them through an outgoing queue, in the same unit', async () => {
    await using story = await TransferStory.begin();
    await story.manager.declareQueue('billing');
    const asks = { [Header.administrationQueue]: 'acks@Beta', [Header.acknowledge]: 'reached,received' };
    assert.equal((await story.arrive('billing', 'one', { extraHeaders: asks })).kind, 'enlisted');
    assert.deepEqual(await told(story, 'acks@beta'), [['ACK_REACH_QUEUE', 'from-beta-one', 'billing@test']]);
    await story.drain('billing');
    await story.crash();
    assert.equal((await told(story, 'acks@beta')).at(-1)?.[0], 'ACK_RECEIVE');
  });

  test('one that never reached its queue answers with the class of its refusal, in the dead-letter unit', async () => {
    await using story = await TransferStory.begin();
    await story.sendTo('billing@beta', 'refused', ASKS);
    await story.sendTo('billing@beta', 'late', {
      acknowledge: { queue: { queue: 'acks' }, received: true },
      timeToReachQueueMs: 1000,
    });
    const queue = story.outgoing('billing@beta');
    const [entry] = await story.take(queue, 1);
    const [stored] = await queue.readLocked(0, 1);
    assert.ok(entry !== undefined && stored !== undefined);
    const work = story.manager.begin();
    queue.deadLetter(stored, 'NACK_ACCESS_DENIED', 'refused', work);
    await work.commit();
    await story.advance(1000);
    assert.deepEqual(await told(story), [
      ['NACK_ACCESS_DENIED', 'message-1', 'billing@beta'],
      ['NACK_REACH_QUEUE_TIMEOUT', 'message-2', 'billing@beta'],
    ]);
    for (const headers of await story.headersIn('dead-letter')) {
      assert.deepEqual([headers?.[Header.administrationQueue], headers?.[Header.acknowledge]], [undefined, undefined]);
    }
  });

  test('one that expired in its queue, kept or dropped, or was purged there, was not received', async () => {
    await using story = await TransferStory.begin();
    const asks = { acknowledge: { queue: { queue: 'acks' }, received: true } };
    await story.send('orders', 'kept', { timeToBeReceivedMs: 1000, ...asks });
    await story.send('orders', 'dropped', { timeToBeReceivedMs: 1000, deadLetter: false, ...asks });
    await story.send('orders', 'reached only', {
      timeToBeReceivedMs: 1000,
      acknowledge: { queue: { queue: 'acks' }, reached: true },
    });
    await story.advance(1000);
    const operations = new LocalOperations(story.manager, story.machine.processIo);
    await story.send('orders', 'purged by an operator', asks);
    await operations.purgePage({ queue: 'orders', sequenceMax: story.manager.highestSequence() });
    await story.send('orders', 'purged by an endpoint', asks);
    const receiver = await story.manager.openReceiver('orders');
    await receiver.purge();
    receiver.close();
    await story.sendTo('billing@beta', 'purged before it was sent', asks);
    await operations.purgePage({ queue: 'billing@beta', sequenceMax: story.manager.highestSequence() });
    assert.deepEqual(
      (await told(story)).map(([what, id]) => [what, id]),
      [
        ['ACK_REACH_QUEUE', 'message-3'],
        ['NACK_RECEIVE_TIMEOUT', 'message-1'],
        ['NACK_RECEIVE_TIMEOUT', 'message-2'],
        ['NACK_Q_PURGED', 'message-4'],
        ['NACK_Q_PURGED', 'message-5'],
        ['NACK_PURGED', 'message-6'],
      ],
    );
  });

  test('a message that is put back, failed or moved is acknowledged once', async () => {
    await using story = await TransferStory.begin();
    await story.send('orders', 'one', ASKS);
    const receiver = await story.manager.openReceiver('orders');
    const delivery = await story.receive(receiver);
    assert.ok(delivery !== undefined);
    const headers = headersOf({
      [Header.messageId]: 'message-1',
      [Header.administrationQueue]: 'acks@test',
      [Header.acknowledge]: 'reached,received',
      [Header.delayedRetries]: '1',
    });
    const work = story.manager.begin();
    delivery.complete(work);
    await story.manager.send([{ destination: { queue: 'orders' }, headers, body: delivery.body, delayMs: 1000 }], work);
    await work.commit();
    receiver.close();
    await story.advance(1000);
    await story.drain('orders');
    assert.deepEqual(
      (await told(story)).map(([what]) => what),
      ['ACK_REACH_QUEUE', 'ACK_RECEIVE'],
    );
  });

  test('what asks for the impossible is delivered all the same, and the failure is told to the operator', async () => {
    await using story = await TransferStory.begin();
    await story.manager.declareQueue('billing');
    const asks = { [Header.administrationQueue]: 'not an address', [Header.acknowledge]: 'reached,received' };
    assert.equal((await story.arrive('billing', 'one', { extraHeaders: asks })).kind, 'enlisted');
    assert.deepEqual(await story.drain('billing'), ['one']);
    assert.deepEqual(
      story.failures.map((error) => (error as { code?: string }).code),
      ['INVALID_ADDRESS', 'INVALID_ADDRESS'],
    );
  });

  test('an endpoint asks by an option, and handles the answers as messages', async () => {
    await using story = await TransferStory.begin();
    await using sales = new Endpoint('sales', { queueManager: story.manager, logger: silentLogger });
    const answers: (string | undefined)[] = [];
    const both = Promise.withResolvers<void>();
    sales
      .handle('Sales.Order', () => undefined)
      .handle('Posthorn.Acknowledgement', (_body, context) => {
        answers.push(context.headers[Header.acknowledgement]);
        if (answers.length === 2) both.resolve();
      });
    await sales.start();
    await sales.send('Sales.Order', {}, { to: 'sales', acknowledge: { queue: 'sales' } });
    await both.promise;
    assert.deepEqual(answers, ['ACK_REACH_QUEUE', 'ACK_RECEIVE']);
    await assert.rejects(sales.send('Sales.Order', {}, { to: 'sales', acknowledge: { queue: 'a b' } }), {
      code: 'INVALID_ADDRESS',
    });
    const misspelt = { queue: 'sales', recieved: true } as { queue: string };
    await assert.rejects(sales.send('Sales.Order', {}, { to: 'sales', acknowledge: misspelt }), {
      code: 'INVALID_OPTION',
    });
    await sales.send('Sales.Order', {}, { to: 'orders@beta', timeToReachQueueMs: 1000 });
    const [headers] = await story.headersIn('orders@beta');
    assert.equal(headers?.[Header.timeToReachQueue], '00:00:01');
  });
});
