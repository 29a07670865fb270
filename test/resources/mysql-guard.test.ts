import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import mysqlDriver from 'mysql2';
import type { RowDataPacket } from 'mysql2/promise';
import type { GuardedClient } from '../../src/resources/mysql/guarded-connection.ts';
import { type BranchAndClient, MysqlStory } from './mysql-story.ts';

test('MariaDB: what would end the transaction is refused before it is sent, and dooms the branch', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const refused = [
    'commit',
    ' -- first\n COMMIT',
    '/* hand */ rollback',
    'begin',
    'start transaction',
    "xa end 'x'",
    'set autocommit = 1',
    "prepare p from 'xa end ''x'''",
    '/*!50000 commit */',
  ];
  for (const statement of refused) await assertDooming(story, statement);
  assert.deepEqual(await story.items(), []);
});

test('MariaDB: what the server refuses in a branch, DDL and a hidden COMMIT, dooms it, and nothing of it is committed', async (t) => {
  await using story = await MysqlStory.begin(t, { statementErrors: 'handled' });
  if (story === undefined) return;
  await story.outside.query('create procedure finish() begin commit; end');
  const refused = [
    'create table another (i int)',
    'truncate table stock',
    'lock tables stock write',
    'call finish()',
    "execute immediate 'commit'",
    'begin not atomic commit; end',
    'set statement max_statement_time = 1 for commit',
    'grant select on *.* to nobody',
  ];
  for (const statement of refused) {
    await assertDooming(story, statement);
    assert.deepEqual(await story.items(), [], statement);
  }
});

test('MariaDB: methods that would end the transaction are refused, and those that would give the connection away do nothing', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  for (const method of ['beginTransaction', 'commit', 'rollback', 'reset', 'changeUser'] as const) {
    const { branch, client } = await story.branch();
    await assert.rejects(client[method]({}), { code: 'STATEMENT_REFUSED' }, method);
    await branch.rollback();
  }
  const { branch, client } = await story.branch();
  client.release();
  client.destroy();
  await client.end();
  client.connection.destroy();
  await client.query('insert into stock values (1, 1)');
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
  assert.deepEqual(await story.items(), [1]);
});

test('MariaDB: the driver’s own members that are not on the list are not there', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  for (const member of ['stream', '_commands', 'addCommand', 'writePacket', 'createBinlogStream', 'pool']) {
    assert.equal(Reflect.get(client, member), undefined, member);
    assert.equal(Reflect.get(client.connection, member), undefined, member);
  }
  assert.equal(JSON.stringify(client.config).includes('password'), false);
  await branch.rollback();
});

test('MariaDB: a statement that fails dooms the branch, though its error was caught', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  await assert.rejects(client.query('insert into stock values (1, 1)'), { errno: 1062 });
  await assert.rejects(client.query('select 1'), { code: 'BRANCH_DOOMED' });
  await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
  await branch.rollback();
  assert.deepEqual(await story.items(), []);
});

test('MariaDB: with handled errors a failed statement leaves the branch alive, with the rest of its work', async (t) => {
  await using story = await MysqlStory.begin(t, { statementErrors: 'handled' });
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  await client.query('savepoint first_item');
  await client.query('insert into stock values (2, 1)');
  await assert.rejects(client.query('insert into stock values (1, 1)'), { errno: 1062 });
  await client.query('rollback to savepoint first_item');
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
  assert.deepEqual(await story.items(), [1]);
});

test('fault 75: on MariaDB the victim of a deadlock is doomed, with handled errors too', async (t) => {
  await using story = await MysqlStory.begin(t, { statementErrors: 'handled' });
  if (story === undefined) return;
  await story.outside.query('insert into stock values (1, 1), (2, 2)');
  const [one, two] = [await story.branch(), await story.branch()];
  await one.client.query('update stock set amount = 10 where item = 1');
  await two.client.query('update stock set amount = 20 where item = 2');
  // The winner may be answered first: the server has freed the victim's locks before it tells the victim.
  const found = Promise.withResolvers<BranchAndClient>();
  const updates = [
    one.client.query('update stock set amount = 11 where item = 2').catch(() => found.resolve(one)),
    two.client.query('update stock set amount = 21 where item = 1').catch(() => found.resolve(two)),
  ];
  const victim = await found.promise;
  await assert.rejects(victim.branch.end(), { code: 'BRANCH_DOOMED', message: /Deadlock/ });
  await victim.branch.rollback();
  const winner: BranchAndClient = victim === one ? two : one;
  await Promise.all(updates);
  await winner.branch.end();
  assert.equal((await winner.branch.commitWithMarker()).kind, 'committed');
});

test('fault 77: on MariaDB a lock that is not granted in time dooms the branch, with handled errors too', async (t) => {
  await using story = await MysqlStory.begin(t, { statementErrors: 'handled' });
  if (story === undefined) return;
  await story.outside.query('insert into stock values (1, 1)');
  await story.outside.query('begin');
  await story.outside.query('update stock set amount = 2 where item = 1');
  const { branch, client } = await story.branch();
  await client.query('set session innodb_lock_wait_timeout = 1');
  await client.query('insert into stock values (2, 2)');
  await assert.rejects(client.query('update stock set amount = 3 where item = 1'), { errno: 1205 });
  await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED', message: /Lock wait timeout/ });
  await branch.rollback();
  await story.outside.query('commit');
  assert.deepEqual(await story.items(), [1]);
});

test('MariaDB: a statement that still runs when the handlers are done rolls back, and the server stops it', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  const slow = client.query("select sleep(60), 'a secret'");
  slow.catch(() => undefined);
  await assert.rejects(branch.end(), { code: 'STATEMENT_STILL_RUNNING', message: /sleep\(60\)/ });
  await branch.rollback();
  await assert.rejects(slow);
  assert.deepEqual(await story.manager.recovery.endSession(branch.session), { kind: 'gone' });
  await story.outside.query('insert into stock values (1, 1)');
});

test('MariaDB: a result that is not read to its end is a statement that still runs', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const stream = guarded(client).query('select seq from seq_1_to_100000').stream();
  await once(stream, 'readable');
  await assert.rejects(branch.end(), { code: 'STATEMENT_STILL_RUNNING' });
  const lost = once(stream, 'error').catch((error: unknown) => [error]);
  await branch.rollback();
  await lost;
});

test('MariaDB: rows can be taken from a stream, and an error of it dooms the branch', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  let count = 0;
  for await (const row of guarded(client).query('select seq from seq_1_to_1000').stream()) count += row.seq > 0 ? 1 : 0;
  assert.equal(count, 1000);
  const failing = guarded(client).query('select * from nowhere').stream();
  await assert.rejects(
    async () => {
      for await (const row of failing) assert.fail(`there is a row: ${JSON.stringify(row)}`);
    },
    { errno: 1146 },
  );
  await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
  await branch.rollback();
});

test('MariaDB: the client refuses everything once its branch has ended, and what was prepared by it too', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const statement = await client.prepare('insert into stock values (?, 1)');
  await statement.execute([1]);
  await branch.end();
  for (const late of [
    () => client.query('insert into stock values (2, 1)'),
    () => client.execute('insert into stock values (2, 1)'),
    () => client.prepare('select 1'),
    () => statement.execute([2]),
    () => client.ping(),
    () =>
      new Promise((resolve, reject) => callbackOf(client).query('select 1', [], (e) => (e ? reject(e) : resolve(0)))),
  ]) {
    await assert.rejects(async () => late(), { code: 'TRANSACTION_ENDED' });
  }
  assert.throws(() => guarded(client).query('select 1').stream(), { code: 'TRANSACTION_ENDED' });
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
  await assert.rejects(client.query('select 1'), { code: 'TRANSACTION_ENDED' });
  assert.deepEqual(await story.items(), [1]);
});

test('MariaDB: the client takes statements in every form that the driver does', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (?, ?)', [1, 1]);
  await client.query({ sql: 'insert into stock values (?, ?)', values: [2, 2] });
  await client.execute('insert into stock values (?, ?)', [3, 3]);
  await client.execute({ sql: 'insert into stock values (?, ?)', values: [4, 4] });
  await client.ping();
  const [rows] = await client.query<RowDataPacket[]>({
    sql: 'select item from stock order by item',
    rowsAsArray: true,
  });
  assert.deepEqual(rows, [[1], [2], [3], [4]]);
  assert.equal(client.format('?', ["it's"]), "'it\\'s'");
  assert.equal(client.escapeId('a`b'), '`a``b`');
  const byCallback = await new Promise((resolve, reject) => {
    callbackOf(client).query('select count(*) as count from stock', (error, found) =>
      error ? reject(error) : resolve(found),
    );
  });
  assert.deepEqual(byCallback, [{ count: 4 }]);
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
});

test('MariaDB: a statement that takes longer than it may is cut, and tells so', async (t) => {
  await using story = await MysqlStory.begin(t, { statementTimeoutMs: 300 });
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  await assert.rejects(client.query('select sleep(60)'), { code: 'REQUEST_TIMED_OUT' });
  await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
  await branch.rollback();
  assert.deepEqual(await story.items(), []);
});

/** The callback connection with the driver's types. */
function callbackOf(client: BranchAndClient['client']): import('mysql2').Connection {
  return client.connection as unknown as import('mysql2').Connection;
}

/** The same; its `query` without a callback is an emitter. */
function guarded(client: BranchAndClient['client']): import('mysql2').Connection {
  const { connection } = client as unknown as GuardedClient;
  return connection as unknown as import('mysql2').Connection;
}

test('MariaDB: a command of the driver that was made beforehand is refused, and what is no statement fails', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const made = Reflect.apply(mysqlDriver.Connection.createQuery, undefined, [
    'select 1',
    () => undefined,
    undefined,
    {},
  ]);
  for (const wrong of [made, undefined, 5, {}]) {
    const { branch, client } = await story.branch();
    await assert.rejects(async () => client.query(wrong as string));
    await assert.rejects(branch.end());
    await branch.rollback();
  }
});

test('MariaDB: what is asked is sent as it was asked, whatever becomes of it before its turn comes', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const values = [1];
  const options = { sql: 'select ? as number', values };
  let readCount = 0;
  const changing = {
    get sql() {
      return ++readCount === 1 ? 'select 1 as number' : 'commit';
    },
  };
  const asked = [client.execute(options), client.execute('select ? as number', values), client.query(changing)];
  values[0] = 2;
  options.sql = 'commit';
  const prepared = await client.prepare('select ? as number');
  values[0] = 1;
  asked.push(client.execute('select ? as number', values), prepared.execute(values));
  values[0] = 2;
  for (const [rows] of await Promise.all(asked)) assert.deepEqual(rows, [{ number: 1 }]);
  await branch.rollback();
});

/** Refused after a row was written, and its branch with it. */
async function assertDooming(story: MysqlStory, statement: string): Promise<void> {
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  await assert.rejects(client.query(statement), { code: 'STATEMENT_REFUSED' }, statement);
  await assert.rejects(branch.end(), { code: 'STATEMENT_REFUSED' }, statement);
  await branch.rollback();
}
