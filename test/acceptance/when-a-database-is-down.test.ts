import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bothDatabases, KINDS, REQUESTS } from '../support/both-databases.ts';
import { DatabaseStory, next, until } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';
import { LoopbackMachines } from '../support/loopback-machines.ts';

describe('when a database is down', { concurrency: true }, () => {
  for (const { kind, title } of KINDS) {
    test(`fault 73: ${title} is down when it is told of the commit: its sends are held and shown, others of the same stream go on`, async (t) => {
      await using both = await bothDatabases(t);
      if (both === undefined) return;
      await using machines = new LoopbackMachines();
      machines.prepare('alpha');
      const beta = await machines.start('beta');
      await beta.declareQueue('in');
      await using story = await DatabaseStory.begin({ directory: machines.directory('alpha'), network: true });
      const down = both[kind];
      const other = kind === 'postgres' ? both.mariadb : both.postgres;
      const numbers = story.numbersEndpoint(both.all, { to: 'in@beta' });
      const unhurt = story.numbersEndpoint([other], { name: 'unhurt', to: 'in@beta' });
      await numbers.endpoint.start();
      await unhurt.endpoint.start();
      const told = down.proxy.trap(REQUESTS[kind].finish, 'request');
      const handled = next(numbers, 'handled');
      await story.put('numbers', 1);
      await told;
      await down.proxy.down();
      await handled;
      assert.deepEqual(await story.numbersIn('numbers'), [], 'the message is settled');
      await story.put('unhurt', 2, 3);
      await until(
        async () => (await story.numbersIn('in', beta)).join() === '2,3',
        async () => `in@beta ${await story.numbersIn('in', beta)}`,
      );
      // Of this endpoint: prepared branches of other tests are there too, as foreign ones, when a scan finds them.
      const { transactions } = await story.manager.coordinator.list({ endpoint: 'numbers' });
      assert.equal(transactions.length, 1);
      assert.equal(transactions[0]?.state, 'committing');
      assert.deepEqual(transactions[0]?.heldSends, [{ queue: 'in@beta', messages: 1 }]);
      assert.deepEqual(
        transactions[0]?.branches.map(({ resource, state }) => `${resource} ${state}`).sort(),
        kind === 'postgres' ? ['orders committing', 'stock committed'] : ['orders committed', 'stock committing'],
      );
      assert.match(transactions[0]?.sentence ?? '', /refused|cannot be reached|ECONNREFUSED|not available|locks/i);
      await down.proxy.accept();
      await until(
        async () => (await story.numbersIn('in', beta)).join() === '1,2,3',
        async () => `in@beta ${await story.numbersIn('in', beta)}`,
      );
      assert.deepEqual(await story.records(), []);
      assert.deepEqual(await down.numbers(), [1]);
      assert.deepEqual(await other.numbers(), [1, 2, 3]);
      assert.equal(numbers.attempts(), 1);
    });
  }

  for (const { title, requireServer } of KINDS) {
    test(`handlers fail while ${title} is down, and succeed when it is back, without a restart`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const numbers = story.numbersEndpoint([database], {
        recoverability: { immediateRetries: 0, delayedRetries: 1000, delayedRetryIncreaseMs: 50 },
      });
      await numbers.endpoint.start();
      await story.put('numbers', 1);
      await story.untilIn('done', 1);
      await database.proxy.down();
      const failed = next(numbers, 'delayedRetry');
      await story.put('numbers', 2);
      assert.equal(((await failed).error as { code?: unknown }).code, 'RESOURCE_UNAVAILABLE');
      await database.proxy.accept();
      await story.untilAgreed([database], [1, 2]);
    });

    test(`an endpoint starts while ${title} is down, and handles as soon as it is there`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      await database.proxy.down();
      const numbers = story.numbersEndpoint([database], {
        recoverability: { immediateRetries: 0, delayedRetries: 1000, delayedRetryIncreaseMs: 50 },
      });
      await numbers.endpoint.start();
      const failed = next(numbers, 'delayedRetry');
      await story.put('numbers', 1);
      await failed;
      await database.proxy.accept();
      await story.untilAgreed([database], [1]);
    });
  }
});
