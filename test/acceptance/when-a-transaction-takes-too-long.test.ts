import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bothDatabases } from '../support/both-databases.ts';
import { DatabaseStory } from '../support/database-story.ts';

describe('when a transaction over databases takes too long', () => {
  test('it is rolled back everywhere, frees its locks, and its message is handled by the next attempt', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    await using story = await DatabaseStory.begin();
    for (const database of both.all) await database.query('insert into effects values (0)');
    const resources = both.all.map((database) => story.resource(database));
    const numbers = story.endpoint('numbers', { resources, transactions: { timeoutMs: 500 } });
    const timedOut = Promise.withResolvers<number>();
    const attempts: number[] = [];
    numbers.on('timedOut', ({ timeoutMs }) => timedOut.resolve(timeoutMs));
    numbers.handle('Number', async (message, context) => {
      const { number } = message as { readonly number: number };
      attempts.push(context.attempt.total);
      for (const resource of resources) {
        // Locked until the end of the transaction: the second attempt would wait for the first.
        await resource.query('update effects set number = number where number = 0');
        await resource.query(`insert into effects values (${Number(number)})`);
      }
      await context.send('Number', { number }, { to: 'done' });
      if (attempts.length === 1) await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    });
    await numbers.start();
    await story.put('numbers', 1);
    assert.equal(await timedOut.promise, 500);
    await story.untilIn('done', 1);
    assert.deepEqual(attempts, [1, 2]);
    for (const database of both.all) assert.deepEqual(await database.numbers(), [0, 1], database.kind);
    assert.deepEqual(await story.leftOver(both.all), []);
    assert.deepEqual(await story.numbersIn('error'), []);
  });
});
