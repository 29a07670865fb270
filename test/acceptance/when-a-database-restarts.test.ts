import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startMariadb } from '../../tools/databases/start-mariadb.ts';
import { startPostgres } from '../../tools/databases/start-postgres.ts';
import { REQUESTS } from '../support/both-databases.ts';
import { DatabaseStory, next } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';
import { requireDatabases } from '../support/test-databases.ts';

describe('when a database restarts while branches are prepared in it', { concurrency: true }, () => {
  for (const immediate of [true, false]) {
    const how = immediate ? 'killed' : 'stopped';
    test(`fault 70: branches of decided transactions are committed after both servers were ${how} and started`, async (t) => {
      if (!requireDatabases(t)) return;
      await using stand = await ownServers();
      const { orders, stock } = stand;
      await using story = await DatabaseStory.begin();
      const numbers = story.numbersEndpoint([orders, stock]);
      await numbers.endpoint.start();
      const commits = [
        orders.proxy.trap(REQUESTS.postgres.finish, 'request'),
        stock.proxy.trap(REQUESTS.mariadb.finish, 'request'),
      ];
      const handled = next(numbers, 'handled');
      await story.put('numbers', 1);
      await Promise.all(commits);
      assert.equal((await orders.prepared('P1.')).length, 1);
      assert.equal((await stock.prepared('P1.')).length, 1);
      await stand.restart({ immediate });
      await handled;
      await story.untilAgreed([orders, stock], [1]);
      assert.equal(numbers.attempts(), 1);
    });
  }

  test('fault 70: branches without a decision are rolled back after their server was killed, and handled again', async (t) => {
    if (!requireDatabases(t)) return;
    await using stand = await ownServers();
    const { orders, stock } = stand;
    await using story = await DatabaseStory.begin();
    const numbers = story.numbersEndpoint([orders, stock]);
    await numbers.endpoint.start();
    // One has prepared, and its answer is on the way; the other one is not asked yet as far as it knows.
    const prepared = orders.proxy.trap(REQUESTS.postgres.prepare, 'answer');
    const asked = stock.proxy.trap(REQUESTS.mariadb.prepare, 'request');
    await story.put('numbers', 1);
    await Promise.all([prepared.then(({ answered }) => answered), asked]);
    await stand.restart({ immediate: true });
    (await prepared).link.cut();
    (await asked).link.cut();
    await story.untilAgreed([orders, stock], [1]);
    assert.ok(numbers.attempts() >= 2);
  });
});

/** A server of each kind that may be restarted: nobody else uses it. */
async function ownServers() {
  const stack = new AsyncDisposableStack();
  const postgres = stack.use(await startPostgres());
  const mariadb = stack.use(await startMariadb());
  const orders = stack.use(await EffectsDatabase.make({ kind: 'postgres', url: postgres.url }));
  const stock = stack.use(await EffectsDatabase.make({ kind: 'mariadb', url: mariadb.url }));
  const restart = async (how: { readonly immediate: boolean }): Promise<void> => {
    await Promise.all([postgres.restart(how), mariadb.restart(how)]);
  };
  return { orders, stock, restart, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
