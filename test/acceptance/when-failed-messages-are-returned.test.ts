import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header, headersOf } from '../../src/message/headers.ts';
import { RETURN_OPERATIONS_MAX } from '../../src/operations/limits.ts';
import { LocalOperations } from '../../src/operations/local-operations.ts';
import type { ReturnOperation } from '../../src/operations/return-operation.ts';
import { SimulatedRandom } from '../../src/testing/simulated-random.ts';
import { QueueStory } from '../support/queue-story.ts';

/** An error queue with messages that failed in `billing` and `shipping`. */
class ErrorStory extends QueueStory {
  static override async begin(): Promise<ErrorStory> {
    const story = new ErrorStory();
    await story.open();
    for (const queue of ['billing', 'shipping']) await story.manager.declareQueue(queue);
    return story;
  }

  get operations(): LocalOperations {
    return new LocalOperations(this.manager, this.machine.processIo);
  }

  async fail(
    texts: readonly string[],
    failedQueue: string | undefined,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const source = failedQueue === undefined ? {} : { [Header.failedQueue]: failedQueue };
    await this.sendAll(
      texts.map((text) =>
        this.message('error', text, { headers: headersOf({ ...source, [Header.delayedRetries]: '3', ...headers }) }),
      ),
    );
  }

  /** Runs an operation to its end; resumes it when there is one with the same wishes. */
  async returnAll(
    wish: Partial<Parameters<LocalOperations['startReturn']>[0]> = {},
    countMax = 100,
  ): Promise<ReturnOperation> {
    const { operations } = this;
    let operation = await operations.startReturn({ errorQueue: 'error', filter: {}, ...wish });
    while (operation.state === 'running') operation = await operations.continueReturn({ id: operation.id, countMax });
    return operation;
  }
}

function numbered(count: number, prefix = 'order'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix} ${index}`);
}

describe('when failed messages are returned', () => {
  test('each goes to the queue where it failed, in its order and priority, without its failure', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(numbered(3), 'billing@test');
    await story.fail(['parcel'], 'shipping@test');
    const operation = await story.returnAll();
    assert.deepEqual([operation.state, operation.returned, operation.lookedAt], ['finished', 4, 4]);
    assert.deepEqual(await story.waiting('error'), []);
    assert.deepEqual(await story.waiting('shipping'), ['parcel']);
    const headers = await story.headersIn('billing');
    assert.deepEqual(
      headers.map((each) => Object.keys(each ?? {})),
      [[Header.messageId], [Header.messageId], [Header.messageId]],
    );
    assert.deepEqual(await story.drain('billing'), numbered(3));
  });

  test('a message that fails again after its return is not returned a second time', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(numbered(4), 'billing@test');
    const started = await story.operations.startReturn({ errorQueue: 'error', filter: {} });
    await story.operations.continueReturn({ id: started.id, countMax: 2 });
    assert.deepEqual(await story.drain('billing'), ['order 0', 'order 1']);
    await story.fail(['order 0', 'order 1'], 'billing@test');
    const operation = await story.returnAll();
    assert.equal(operation.id, started.id);
    assert.equal(operation.returned, 4);
    assert.deepEqual(await story.waiting('error'), ['order 0', 'order 1']);
  });

  test('a process that dies at any moment loses and doubles nothing, and the next goes on', {
    timeout: 60_000,
  }, async () => {
    let crashCount = 0;
    for (let seed = 1; seed <= 40; seed++) {
      await using story = await ErrorStory.begin();
      const random = new SimulatedRandom(seed);
      await story.fail(numbered(50), 'billing@test');
      await story.fail(numbered(10, 'lost'), undefined);
      await story.fail(numbered(20, 'parcel'), 'shipping@test');
      await story.fail(numbered(30, 'abroad'), 'billing@Beta');
      let operation = await story.operations.startReturn({ errorQueue: 'error', filter: {} });
      while (operation.state === 'running') {
        const page = story.operations.continueReturn({
          id: operation.id,
          countMax: 1 + Math.floor(random.fraction() * 20),
        });
        if (random.fraction() < 0.5) {
          // What a dead process would have answered never comes; its promise stays open or tells of the closed store.
          page.catch(() => undefined);
          for (let turns = Math.floor(random.fraction() * 6); turns > 0; turns--) await new Promise(setImmediate);
          await story.crash();
          crashCount++;
          const known = await story.operations.listReturns();
          assert.equal(known.length, 1, `seed ${seed}`);
          operation = known[0] ?? operation;
        } else {
          operation = await page;
        }
      }
      assert.deepEqual(await story.waiting('billing'), numbered(50), `seed ${seed}`);
      assert.deepEqual(await story.waiting('shipping'), numbered(20, 'parcel'), `seed ${seed}`);
      assert.deepEqual(await story.waiting('billing@beta'), numbered(30, 'abroad'), `seed ${seed}`);
      assert.deepEqual(await story.waiting('error'), numbered(10, 'lost'), `seed ${seed}`);
      assert.deepEqual(
        [operation.returned, operation.left.noSource, operation.lookedAt],
        [100, 10, 110],
        `seed ${seed}`,
      );
    }
    assert.ok(crashCount > 100, `${crashCount} crashes`);
  });

  test('one that does not say where it failed, or is held, stays and is told', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(['held'], 'billing@test');
    await story.fail(['lost'], undefined);
    await story.fail(['elsewhere'], 'billing@beta');
    const receiver = await story.manager.openReceiver('error');
    const held = await story.receive(receiver);
    const operation = await story.returnAll();
    assert.deepEqual(operation.left, { locked: 1, noSource: 1 });
    assert.deepEqual(
      operation.leftExamples.map(({ reason }) => reason),
      ['noSource'],
    );
    held?.release();
    receiver.close();
    assert.deepEqual(await story.waiting('error'), ['held', 'lost']);
    assert.deepEqual(await story.waiting('billing@beta'), ['elsewhere'], 'it goes back to the machine where it failed');
  });

  test('to another machine they go through its outgoing queue, each with its full retries and its priority', async () => {
    await using story = await ErrorStory.begin();
    await story.sendAll([
      story.message('error', 'urgent', {
        priority: 6,
        headers: headersOf({ [Header.failedQueue]: 'billing@Alpha', [Header.delayedRetries]: '3', Tenant: '7' }),
      }),
    ]);
    await story.fail(['moved'], 'shipping@test');
    assert.equal((await story.returnAll({ filter: { failedQueue: 'billing@Alpha' } })).returned, 1);
    assert.deepEqual(await story.waiting('billing@alpha'), ['urgent']);
    const [headers] = await story.headersIn('billing@alpha');
    assert.deepEqual(Object.keys(headers ?? {}).sort(), [Header.messageId, Header.priority, 'Tenant'].sort());
    assert.equal((await story.returnAll({ to: 'hospital@beta' })).returned, 1);
    assert.deepEqual(
      await story.waiting('hospital@beta'),
      ['moved'],
      'a queue of another machine is not looked for here',
    );
  });

  test('a destination that is full keeps what it can hold, and the rest stays and is told', async () => {
    await using story = await ErrorStory.begin();
    await story.manager.declareQueue('billing', { quotaMessages: 2 });
    await story.fail(numbered(5), 'billing@test');
    await story.fail(['parcel'], 'shipping@test');
    const operation = await story.returnAll();
    assert.deepEqual([operation.returned, operation.left], [3, { refused: 3 }]);
    assert.deepEqual(await story.waiting('billing'), ['order 0', 'order 1']);
    assert.deepEqual(await story.waiting('shipping'), ['parcel']);
    assert.deepEqual(await story.waiting('error'), ['order 2', 'order 3', 'order 4']);
  });

  test('a filter returns what it means, and a second operation the rest', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(numbered(3), 'billing@test', { [Header.exceptionType]: 'TimeoutError' });
    await story.fail(['declined'], 'billing@test', { [Header.exceptionType]: 'CardDeclined' });
    await story.fail(['far'], 'billing@test', {
      [Header.exceptionType]: 'CardDeclined',
      [Header.enclosedMessageTypes]: 'Far',
    });
    const first = await story.returnAll({ filter: { exception: 'declined', type: 'Far' } });
    assert.deepEqual(await story.waiting('billing'), ['far']);
    const second = await story.returnAll({ filter: { exception: 'timeout' }, to: 'shipping' });
    assert.notEqual(second.id, first.id);
    assert.deepEqual(await story.waiting('shipping'), numbered(3));
    assert.deepEqual(await story.waiting('error'), ['declined']);
  });

  test('ids return those messages only, and a message that failed in two queues from both', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(numbered(3), 'billing@test');
    await story.fail(['event'], 'billing@test', { [Header.messageId]: 'event-1' });
    await story.fail(['event'], 'shipping@test', { [Header.messageId]: 'event-1' });
    const operation = await story.returnAll({ filter: { ids: ['message-2', 'event-1', 'never-there'] } });
    assert.equal(operation.returned, 3);
    assert.deepEqual(await story.waiting('billing'), ['order 1', 'event']);
    assert.deepEqual(await story.waiting('shipping'), ['event']);
  });

  test('pages of one operation that are asked for at once run one after the other', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(numbered(30), 'billing@test');
    const { operations } = story;
    const { id } = await operations.startReturn({ errorQueue: 'error', filter: {} });
    await Promise.all(numbered(5).map(() => operations.continueReturn({ id, countMax: 7 })));
    assert.deepEqual(await story.waiting('billing'), numbered(30));
  });

  test('a cancelled operation stays where it stood', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(numbered(4), 'billing@test');
    const { id } = await story.operations.startReturn({ errorQueue: 'error', filter: {} });
    await story.operations.continueReturn({ id, countMax: 1 });
    assert.equal((await story.operations.cancelReturn({ id })).state, 'cancelled');
    assert.equal((await story.operations.continueReturn({ id, countMax: 1 })).returned, 1);
    assert.equal((await story.waiting('error')).length, 3);
    assert.notEqual((await story.operations.startReturn({ errorQueue: 'error', filter: {} })).id, id);
  });

  test('wrong wishes are refused before anything is stored', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(['order'], 'billing@test');
    const { operations } = story;
    await assert.rejects(operations.startReturn({ errorQueue: 'eror', filter: {} }), {
      code: 'QUEUE_NOT_FOUND',
      mend: /'error'/,
    });
    await assert.rejects(operations.startReturn({ errorQueue: 'error', filter: {}, to: 'biling' }), {
      code: 'QUEUE_NOT_FOUND',
      mend: /'billing'/,
    });
    await assert.rejects(operations.startReturn({ errorQueue: 'error', filter: {}, to: 'error@test' }), {
      code: 'INVALID_OPTION',
    });
    await assert.rejects(operations.startReturn({ errorQueue: 'error', filter: {}, to: 'no address' }), {
      code: 'INVALID_ADDRESS',
    });
    await assert.rejects(operations.startReturn({ errorQueue: 'error', filter: { text: '' } }), {
      code: 'INVALID_FILTER',
    });
    await assert.rejects(operations.continueReturn({ id: 'never', countMax: 1 }), {
      code: 'RETURN_OPERATION_NOT_FOUND',
    });
    assert.deepEqual(await operations.listReturns(), []);
  });

  test('operations are remembered up to a bound, unfinished ones longest', async () => {
    await using story = await ErrorStory.begin();
    await story.fail(['order'], 'billing@test');
    const unfinished = await story.operations.startReturn({ errorQueue: 'error', filter: { type: 'Unfinished' } });
    for (let index = 0; index < RETURN_OPERATIONS_MAX + 5; index++) {
      await story.advance(1);
      await story.returnAll({ filter: { text: `no. ${index}` } });
    }
    const known = await story.operations.listReturns();
    assert.equal(known.length, RETURN_OPERATIONS_MAX);
    assert.equal(known.at(0)?.filter.text, `no. ${RETURN_OPERATIONS_MAX + 4}`);
    assert.equal(known.at(-1)?.id, unfinished.id);
  });
});
