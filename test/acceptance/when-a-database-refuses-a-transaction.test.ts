import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startPostgres } from '../../tools/databases/start-postgres.ts';
import { bothDatabases, KINDS, REQUESTS } from '../support/both-databases.ts';
import { DatabaseStory, next } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';
import { requireMariadb, requirePostgres } from '../support/test-databases.ts';

describe('when a database refuses a transaction', { concurrency: true }, () => {
  test('fault 74: no room for a prepared transaction: the message is tried again until there is, and others go on', async (t) => {
    if (requirePostgres(t) === undefined) return;
    const mariadbServer = requireMariadb(t);
    if (mariadbServer === undefined) return;
    await using postgres = await startPostgres({ preparedMax: 2 });
    await using orders = await EffectsDatabase.make({ kind: 'postgres', url: postgres.url });
    await using stock = await EffectsDatabase.make(mariadbServer);
    await using story = await DatabaseStory.begin();
    const both = story.numbersEndpoint([orders, stock], {
      concurrency: 1,
      recoverability: { immediateRetries: 0, delayedRetries: 100, delayedRetryIncreaseMs: 100 },
    });
    await both.endpoint.start();
    await using stranger = await orders.session();
    await stranger.query('create table others(id integer)');
    for (const gid of ['one of somebody else', 'another one']) {
      await stranger.query('begin');
      await stranger.query('insert into others values (1)');
      await stranger.query(`prepare transaction '${gid}'`);
    }
    const refused = next(both, 'delayedRetry');
    await story.put('numbers', 1);
    const { error } = await refused;
    assert.match(error.message, /max_prepared_transactions/, 'the setting to change is named');
    // One database needs no prepared transaction.
    const alone = story.numbersEndpoint([orders], { name: 'alone', to: 'alone-done', concurrency: 1 });
    await alone.endpoint.start();
    await story.put('alone', 2);
    await story.untilIn('alone-done', 2);
    await stranger.query("rollback prepared 'another one'");
    await story.untilIn('done', 1);
    assert.deepEqual(await stock.numbers(), [1]);
    assert.deepEqual(await orders.numbers(), [1, 2]);
    assert.deepEqual(await story.numbersIn('error'), []);
  });

  for (const { kind, title, requireServer } of KINDS) {
    test(`fault 75: the victim of a deadlock on ${title} is rolled back and handled again, without a word in the error queue`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await database.query(`create table accounts(id integer primary key, sum integer)`);
      await database.query('insert into accounts values (1, 0), (2, 0)');
      await using story = await DatabaseStory.begin();
      const resource = story.resource(database);
      const transfers = story.endpoint('transfers', { resources: [resource] });
      const bothHold = barrier(2);
      transfers.handle('Number', async (message) => {
        const { number } = message as { readonly number: number };
        await resource.query(`update accounts set sum = sum + 1 where id = ${number}`);
        await bothHold();
        await resource.query(`update accounts set sum = sum + 1 where id = ${3 - number}`);
      });
      const codes: unknown[] = [];
      transfers.on('immediateRetry', ({ error }) => codes.push((error as { code?: unknown }).code));
      const twice = handledTimes(transfers, 2);
      await transfers.start();
      await story.put('transfers', 1, 2);
      await twice;
      assert.deepEqual(codes, [kind === 'postgres' ? '40P01' : 'ER_LOCK_DEADLOCK']);
      assert.deepEqual(await database.query('select sum from accounts'), [{ sum: 2 }, { sum: 2 }]);
      assert.deepEqual(await story.numbersIn('error'), []);
    });
  }

  test('fault 75: the victim of a deadlock leaves nothing in the other database', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    await both.mariadb.query('create table accounts(id integer primary key, sum integer) engine = InnoDB');
    await both.mariadb.query('insert into accounts values (1, 0), (2, 0)');
    await using story = await DatabaseStory.begin();
    const [orders, stock] = [story.resource(both.postgres), story.resource(both.mariadb)];
    const transfers = story.endpoint('transfers', { resources: [orders, stock] });
    const bothHold = barrier(2);
    transfers.handle('Number', async (message, context) => {
      const { number } = message as { readonly number: number };
      await orders.query(`insert into effects values (${number})`);
      await stock.query(`insert into effects values (${number})`);
      await stock.query(`update accounts set sum = sum + 1 where id = ${number}`);
      await bothHold();
      await stock.query(`update accounts set sum = sum + 1 where id = ${3 - number}`);
      await context.send('Number', { number }, { to: 'done' });
    });
    let retries = 0;
    transfers.on('immediateRetry', () => retries++);
    await transfers.start();
    await story.put('transfers', 1, 2);
    await story.untilAgreed(both.all, [1, 2]);
    assert.equal(retries, 1);
  });

  for (const protocol of ['marker', 'twoPhase'] as const) {
    const when = protocol === 'marker' ? 'its commit' : 'its prepare';
    test(`fault 76: a transaction that cannot be serialized at ${when} is handled again`, async (t) => {
      const server = requirePostgres(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const resource = story.resource(database);
      const counts = story.endpoint('counts', {
        resources: [resource],
        transactions: { isolationLevel: 'serializable', protocol },
      });
      const bothHaveRead = barrier(2);
      counts.handle('Number', async () => {
        const [row] = await resource.query('select count(*) as count from effects');
        await bothHaveRead();
        await resource.query(`insert into effects values (${row?.count})`);
      });
      const codes: unknown[] = [];
      counts.on('immediateRetry', ({ error }) => codes.push((error as { code?: unknown }).code));
      const twice = handledTimes(counts, 2);
      await counts.start();
      await story.put('counts', 1, 2);
      await twice;
      // Both counted none; the one that came second counted again.
      assert.deepEqual(await database.numbers(), [0, 1]);
      // The second attempt may come while the first one's branch is still being committed, and be refused as well.
      assert.ok(codes.length > 0 && codes.every((code) => code === '40001'), codes.join());
      assert.deepEqual(await story.numbersIn('error'), []);
    });
  }

  test('fault 77: a lock that does not come in time dooms the branch, though the handler swallows it: nothing is prepared', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    await using story = await DatabaseStory.begin();
    const [orders, stock] = [story.resource(both.postgres), story.resource(both.mariadb)];
    const swallowing = story.endpoint('swallowing', { resources: [orders, stock] });
    const prepares = both.all.map(({ proxy, kind }) => proxy.trap(REQUESTS[kind].prepare, 'request'));
    let isPrepared = false;
    for (const prepare of prepares)
      void prepare.then(() => {
        isPrepared = true;
      });
    await both.mariadb.query('insert into effects values (0)');
    await using holder = await both.mariadb.session();
    await holder.query('begin');
    await holder.query('select * from effects for update');
    const swallowed: unknown[] = [];
    swallowing.handle('Number', async () => {
      await orders.query('insert into effects values (1)');
      // The server's own time is 50 seconds.
      const insert = 'set statement innodb_lock_wait_timeout = 1 for insert into effects values (1)';
      await stock.query(insert).catch((error: unknown) => swallowed.push(error));
    });
    const retried = new Promise<Error>((resolve) => swallowing.on('immediateRetry', ({ error }) => resolve(error)));
    await swallowing.start();
    await story.put('swallowing', 1);
    const error = await retried;
    assert.equal((swallowed[0] as { code?: unknown }).code, 'ER_LOCK_WAIT_TIMEOUT');
    assert.equal((error as { code?: unknown }).code, 'BRANCH_DOOMED');
    assert.equal(isPrepared, false);
    await story.close();
    await holder.query('rollback');
    assert.deepEqual(await both.postgres.numbers(), []);
    assert.deepEqual(await both.mariadb.numbers(), [0]);
  });
});

/** Resolves for all when so many have come; whoever comes later passes. */
function barrier(count: number): () => Promise<void> {
  const open = Promise.withResolvers<void>();
  let arrived = 0;
  return () => {
    if (++arrived === count) open.resolve();
    return open.promise;
  };
}

interface Listenable {
  on(name: 'handled', listener: () => void): unknown;
}

function handledTimes(endpoint: Listenable, count: number): Promise<void> {
  return new Promise((resolve) => {
    let times = 0;
    endpoint.on('handled', () => ++times === count && resolve());
  });
}
