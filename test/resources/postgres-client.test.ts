import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import pg, { type PoolClient } from 'pg';
import { BranchConnection } from '../../src/resources/postgres/branch-connection.ts';
import { BranchOpening } from '../../src/resources/postgres/branch-opening.ts';
import { postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import { StatementWatch } from '../../src/resources/postgres/statement-watch.ts';
import { runInTransaction } from '../../src/transactions/ambient-transaction.ts';
import { branchDoors, commit, postgresStory } from './postgres-story.ts';

async function setup(t: TestContext, options: Parameters<typeof postgresStory>[1] = {}) {
  const story = await postgresStory(t, options);
  if (story === undefined) return undefined;
  const branch = await story.begin();
  return { story, branch, db: branch.client as PoolClient };
}

describe('the enlisted client of PostgreSQL', () => {
  test('takes every form of query that the driver takes', async (t) => {
    const { story, branch, db } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || db === undefined) return;
    const insert = 'insert into effects (number) values ($1)';
    await db.query('insert into effects (number) values (1)');
    await db.query(insert, [2]);
    await db.query({ text: insert, values: [3] });
    await db.query({ text: insert }, [4]);
    await db.query({ name: 'insert', text: insert, values: [5] });
    const config = { text: insert, values: [6] };
    await new Promise((resolve, reject) => {
      db.query(config, (error, result) => (error ? reject(error) : resolve(result)));
    });
    assert.deepEqual(Object.keys(config), ['text', 'values'], 'what the caller gave is as it was');
    await new Promise((resolve, reject) => {
      db.query(insert, [7], (error, result) => (error ? reject(error) : resolve(result)));
    });
    const query = db.query(new pg.Query<{ readonly number: number }>('select number from effects order by number'));
    const rows: number[] = [];
    query.on('row', ({ number }) => rows.push(number));
    await once(query, 'end');
    assert.deepEqual(rows, [1, 2, 3, 4, 5, 6, 7]);
    const { rows: arrays } = await db.query({ text: 'select 1, 2', rowMode: 'array' });
    assert.deepEqual(arrays, [[1, 2]]);
    await commit(branch);
    assert.deepEqual(await story.database.numbers(), [1, 2, 3, 4, 5, 6, 7]);
  });

  test('tells a refusal the way the caller is told of errors', async (t) => {
    const { branch, db } = (await setup(t)) ?? {};
    if (branch === undefined || db === undefined) return;
    await assert.rejects(db.query('commit'), { code: 'STATEMENT_REFUSED', message: /COMMIT was refused on 'orders'/ });
    const [error] = await new Promise<unknown[]>((resolve) => {
      db.query('select 1', (...given: unknown[]) => resolve(given));
    });
    assert.ok(error instanceof Error && error.message.includes('COMMIT was refused'));
    const query = db.query(new pg.Query('select 1'));
    const [told] = await once(query, 'error').catch((thrown: unknown) => [thrown]);
    assert.ok(told instanceof Error && told.message.includes('COMMIT was refused'));
  });

  test('refuses a query object whose text cannot be read', async (t) => {
    const { db } = (await setup(t)) ?? {};
    if (db === undefined) return;
    const heard = Promise.withResolvers<Error>();
    const mute = { submit: () => assert.fail('it was sent'), handleError: (error: Error) => heard.resolve(error) };
    db.query(mute);
    assert.match((await heard.promise).message, /text cannot be read/);
  });

  test('may be released, ended and connected by whoever thinks it is his', async (t) => {
    const { story, branch, db } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || db === undefined) return;
    const { end } = db as unknown as { end(): Promise<void> };
    assert.equal(await db.connect(), db);
    db.release();
    db.release(true);
    await end();
    await db.query('insert into effects (number) values (1)');
    await commit(branch);
    assert.deepEqual(await story.database.numbers(), [1]);
  });

  test('is a client for whoever asks, and shows neither password nor socket', async (t) => {
    const { db } = (await setup(t)) ?? {};
    if (db === undefined) return;
    assert.ok(db instanceof pg.Client);
    assert.ok(!(db instanceof pg.Pool));
    const open: Record<string, unknown> = db as never;
    for (const name of ['password', 'connection', 'connectionParameters', '_queryQueue', 'ssl', 'secretKey'])
      assert.equal(open[name], undefined, name);
    assert.deepEqual(Object.keys(db), []);
    assert.equal(db.escapeLiteral("it's"), "'it''s'");
    assert.equal(db.getTransactionStatus(), 'T');
  });

  test('takes listeners along when its branch ends', async (t) => {
    const { story, branch, db } = (await setup(t, { poolSize: 1 })) ?? {};
    if (story === undefined || branch === undefined || db === undefined) return;
    const notices: unknown[] = [];
    db.on('notice', (notice) => notices.push(notice.message));
    await db.query("do $$ begin raise notice 'one'; end $$");
    await branch.rollback();
    const next = await story.begin();
    assert.equal(next.session, branch.session);
    await story.query(next, "do $$ begin raise notice 'two'; end $$");
    await next.rollback();
    assert.deepEqual(notices, ['one']);
  });

  test('a statement that nobody awaits dooms the branch and does not end the process', async (t) => {
    const { branch, db } = (await setup(t)) ?? {};
    if (branch === undefined || db === undefined) return;
    void db.query('insert into nowhere values (1)');
    void db.query('select 1');
    await db.query('select 2').catch(() => undefined);
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
  });

  test('what the statements say is found written also when only the server can tell', async (t) => {
    const { story, branch, db } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || db === undefined) return;
    await db.query(
      'create function write() returns int language sql as $$ insert into effects values (9) returning 1 $$',
    );
    await commit(branch);
    const calling = await story.begin();
    await story.query(calling, 'select write()');
    await commit(calling);
    const reading = await story.begin();
    await story.query(reading, 'with x as (select 1) select * from x');
    assert.deepEqual(await reading.end(), { hasWritten: false });
    await reading.commitReadOnly();
    const noting = await story.begin();
    await story.query(noting, "select pg_notify('x', 'y')");
    assert.deepEqual(await noting.end(), { hasWritten: true });
    await noting.rollback();
    assert.deepEqual(await story.database.numbers(), [9]);
  });

  test('a session that a statement has changed does not go to the next branch; SET LOCAL changes none', async (t) => {
    const { story, branch, db } = (await setup(t, { poolSize: 1 })) ?? {};
    if (story === undefined || branch === undefined || db === undefined) return;
    await db.query("set local work_mem = '1MB'");
    await branch.rollback();
    const second = await story.begin();
    assert.equal(second.session, branch.session);
    await story.query(second, "set work_mem = '1MB'");
    await second.end();
    await second.commitReadOnly();
    const third = await story.begin();
    assert.notEqual(third.session, second.session);
    await third.rollback();
  });

  test('an order of the search path that changes does not lead to another marker table', async (t) => {
    const { story, branch, db } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || db === undefined) return;
    await story.database.query('create schema tenant');
    await story.database.query('create table tenant.posthorn_marker (like public.posthorn_marker including all)');
    await db.query('set local search_path to tenant, public');
    await db.query('insert into effects (number) values (1)');
    await commit(branch);
    assert.deepEqual(await story.resource.recovery.fence(branch.id.transaction), {
      kind: 'found',
      outcome: 'committed',
    });
  });

  test('a session that reads backslashes as escapes takes no more statements, however that came', async (t) => {
    const { story, branch, db } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || db === undefined) return;
    await db.query('insert into effects (number) values (1)');
    await db.query("select set_config('standard_conforming' || '_strings', 'off', true)");
    // One string and no more by the standard; with escapes, a COMMIT.
    await assert.rejects(db.query("select 'a\\'' ; commit; begin; select '1'"), { code: 'STATEMENT_REFUSED' });
    await assert.rejects(branch.end(), { code: 'STATEMENT_REFUSED' });
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  for (const [how, sql] of [
    ['by its state', 'rollback'],
    ['by the tag of BEGIN', 'rollback; begin'],
    ['by the tag of COMMIT', 'commit and chain'],
  ] as const) {
    test(`a transaction that was ended unseen is found out ${how}`, async (t) => {
      const { story } = (await setup(t)) ?? {};
      if (story === undefined) return;
      const doors = branchDoors(t, story);
      const connection = await BranchConnection.take({ idleMsMax: 60_000 }, doors);
      const begin = {
        statements: [{ text: 'begin' }],
        within: <R>(answer: Promise<R>) => answer,
        failed: assert.ifError,
      };
      const opening = new BranchOpening(connection, begin);
      await new Promise<void>((send, refuse) => opening.whenOpen({ send, refuse }));
      const statements = new StatementWatch(connection, opening, doors);
      // As a statement would that passed for something else.
      await connection.current.client.query(sql);
      assert.throws(() => statements.end(), { code: 'STATEMENT_REFUSED' });
    });
  }
});

describe('ambient use', () => {
  test('joins the transaction that the code runs in, in every form', async (t) => {
    const { story, branch } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined) return;
    const orders = postgresResource({ name: 'orders', connectionString: story.database.directUrl });
    t.after(() => orders.resourceManager.close());
    const asked: unknown[] = [];
    const transaction = {
      enlist: async (resource: unknown) => {
        asked.push(resource);
        return branch.client;
      },
    };
    await runInTransaction(transaction, async () => {
      await orders.query('insert into effects (number) values ($1)', [1]);
      await new Promise((resolve) => orders.query('insert into effects (number) values (2)', resolve));
      const { rows } = await orders.query<{ readonly number: number }>('select number from effects order by number');
      assert.deepEqual(rows, [{ number: 1 }, { number: 2 }]);
      const query = orders.query(new pg.Query('select 1'));
      await once(query, 'end');
    });
    assert.deepEqual(new Set(asked), new Set([orders.resourceManager]));
    await commit(branch);
  });

  test('outside of any transaction nothing is sent, and the caller is told his way', async () => {
    const orders = postgresResource({ name: 'orders', host: 'nowhere.invalid' });
    await assert.rejects(orders.query('select 1'), { code: 'NO_TRANSACTION' });
    const [error] = await new Promise<unknown[]>((resolve) => orders.query('select 1', (...given) => resolve(given)));
    assert.match(String(error), /outside of handlers/);
    const [told] = await once(orders.query(new pg.Query('select 1')), 'error').catch((thrown: unknown) => [thrown]);
    assert.match(String(told), /outside of handlers/);
  });
});
