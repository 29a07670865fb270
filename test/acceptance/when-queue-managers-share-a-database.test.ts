import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Io } from '../../src/io/io.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import { queueManagerField } from '../../src/transactions/transaction-id.ts';
import { bothDatabases, REQUESTS } from '../support/both-databases.ts';
import { DatabaseStory, next } from '../support/database-story.ts';

/** Random as ever, but for the first id: that of the store. */
function ioWithStoreId(id: string): Io {
  const io = nodeIo();
  let isFirst = true;
  const uuid = (): string => {
    if (!isFirst) return io.random.uuid();
    isFirst = false;
    return id;
  };
  return { ...io, random: { ...io.random, uuid } };
}

const ALPHA = '11111111-2222-4333-8444-555555555555';
const BETA = '11111111-2222-4333-8444-555555555556';

describe('when two queue managers whose ids share a beginning work on one database', () => {
  test('neither touches the other’s branches, and each finishes its own', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    assert.equal(queueManagerField(ALPHA).slice(0, 24), queueManagerField(BETA).slice(0, 24));
    await using alpha = await DatabaseStory.begin({ io: ioWithStoreId(ALPHA) });
    await using beta = await DatabaseStory.begin({ io: ioWithStoreId(BETA) });
    assert.deepEqual([alpha.manager.storeId, beta.manager.storeId], [ALPHA, BETA]);
    const ofAlpha = alpha.numbersEndpoint(both.all);
    await ofAlpha.endpoint.start();
    // Alpha's branches stand prepared and decided, and it cannot reach either database to finish them.
    const told = both.all.map(({ kind, proxy }) => proxy.trap(REQUESTS[kind].finish, 'request'));
    await alpha.put('numbers', 1);
    await Promise.all(told);
    const prepared = async (id: string): Promise<number[]> =>
      Promise.all(both.all.map(async (database) => (await database.prepared(queueManagerField(id))).length));
    assert.deepEqual(await prepared(ALPHA), [1, 1]);
    // Beta starts, recovers, works and sees them.
    const ofBeta = beta.numbersEndpoint(both.all);
    const handled = next(ofBeta, 'handled');
    await ofBeta.endpoint.start();
    await beta.put('numbers', 2);
    await handled;
    await beta.untilIn('done', 2);
    const { transactions } = await beta.manager.coordinator.list({});
    assert.deepEqual(new Set(transactions.map(({ state }) => state)), new Set(['foreign']));
    assert.deepEqual(await prepared(ALPHA), [1, 1]);
    for (const { link } of await Promise.all(told)) link.cut();
    await alpha.untilIn('done', 1);
    assert.deepEqual(await prepared(ALPHA), [0, 0]);
    assert.deepEqual(await prepared(BETA), [0, 0]);
    for (const database of both.all) assert.deepEqual(await database.numbers(), [1, 2]);
    assert.deepEqual([ofAlpha.attempts(), ofBeta.attempts()], [1, 1]);
  });
});
