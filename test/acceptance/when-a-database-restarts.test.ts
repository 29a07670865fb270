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
      await using postgres = await startPostgres();
      await using mariadb = await startMariadb();
      await using orders = await EffectsDatabase.make({ kind: 'postgres', url: postgres.url });
      await using stock = await EffectsDatabase.make({ kind: 'mariadb', url: mariadb.url });
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
      await Promise.all([postgres.restart({ immediate }), mariadb.restart({ immediate })]);
      await handled;
      await story.untilAgreed([orders, stock], [1]);
      assert.equal(numbers.attempts(), 1);
    });
  }

  test('fault 70: branches without a decision are rolled back after their server was killed, and handled again', async (t) => {
    if (!requireDatabases(t)) return;
    await using postgres = await startPostgres();
    await using mariadb = await startMariadb();
    await using orders = await EffectsDatabase.make({ kind: 'postgres', url: postgres.url });
    await using stock = await EffectsDatabase.make({ kind: 'mariadb', url: mariadb.url });
    await using story = await DatabaseStory.begin();
    const numbers = story.numbersEndpoint([orders, stock]);
    await numbers.endpoint.start();
    // One has prepared, and its answer is on the way; the other one is not asked yet as far as it knows.
    const prepared = orders.proxy.trap(REQUESTS.postgres.prepare, 'answer');
    const asked = stock.proxy.trap(REQUESTS.mariadb.prepare, 'request');
    await story.put('numbers', 1);
    await Promise.all([prepared.then(({ answered }) => answered), asked]);
    await Promise.all([postgres.restart({ immediate: true }), mariadb.restart({ immediate: true })]);
    (await prepared).link.cut();
    (await asked).link.cut();
    await story.untilAgreed([orders, stock], [1]);
    assert.ok(numbers.attempts() >= 2);
  });
});
