import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RowDataPacket } from 'mysql2/promise';
import { runInTransaction } from '../../src/transactions/ambient-transaction.ts';
import { MysqlStory } from './mysql-story.ts';

test('MariaDB: the marker row and the handler’s work commit together', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const [result] = await client.query('insert into stock values (?, ?)', [1, 10]);
  assert.equal((result as { affectedRows: number }).affectedRows, 1);
  assert.deepEqual(await story.items(), []);

  assert.deepEqual(await branch.end(), { hasWritten: true });
  assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });

  assert.deepEqual(await story.items(), [1]);
  assert.deepEqual(await story.markers(), [`c ${branch.id.transaction}`]);
});

test('MariaDB: a marker that cannot be inserted commits nothing', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 10)');
  await branch.end();
  assert.deepEqual(await story.manager.recovery.fence(branch.id.transaction), { kind: 'inserted' });

  const answer = await branch.commitWithMarker();

  assert.equal(answer.kind, 'refused');
  assert.equal(answer.kind === 'refused' && (answer.error as { errno?: number }).errno, 1062);
  assert.deepEqual(await story.items(), []);
  assert.deepEqual(await story.markers(), [`a ${branch.id.transaction}`]);
});

test('MariaDB: a connection that is lost before XA COMMIT is sent is a proven no', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 10)');
  await branch.end();
  assert.deepEqual(await story.manager.recovery.endSession(branch.session), { kind: 'gone' });

  assert.equal((await branch.commitWithMarker()).kind, 'refused');

  assert.deepEqual(await story.items(), []);
  assert.deepEqual(await story.markers(), []);
});

test('MariaDB: a prepared branch is committed, or rolled back, on its own connection', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const [first, second] = [await story.prepared(1), await story.prepared(2)];
  assert.deepEqual((await story.listed()).sort(), [first.id.transaction, second.id.transaction].sort());

  assert.equal((await first.finish('commit')).kind, 'done');
  assert.equal((await second.finish('rollback')).kind, 'done');

  assert.deepEqual(await story.items(), [1]);
  assert.deepEqual(await story.listed(), []);
  // Both connections are in the pool again, and take new branches.
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (3, 1)');
  await branch.rollback();
  assert.deepEqual(await story.items(), [1]);
});

test('MariaDB: a branch that only read has not written, and needs no decision', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  await story.outside.query('insert into stock values (1, 10)');
  for (const statement of [
    'select * from stock',
    'show tables',
    'with a as (select 1) select * from a',
    'savepoint s',
  ]) {
    const { branch, client } = await story.branch();
    await client.query(statement);
    assert.deepEqual(await branch.end(), { hasWritten: false }, statement);
    await branch.commitReadOnly();
  }
  const { branch } = await story.branch();
  assert.deepEqual(await branch.end(), { hasWritten: false });
  await branch.commitReadOnly();
});

test('MariaDB: a statement that reads by its words and writes in a function has written', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  await story.outside.query(
    'create function take(wanted int) returns int modifies sql data begin insert into stock values (wanted, 1); return 1; end',
  );
  const { branch, client } = await story.branch();
  await client.query('select take(7)');

  assert.deepEqual(await branch.end(), { hasWritten: true });
  assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
  assert.deepEqual(await story.items(), [7]);
});

test('MariaDB: a branch that changed nothing can be prepared, and recovery commits it without a heuristic outcome', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  await story.outside.query('insert into stock values (1, 10)');
  for (const statements of [
    ['update stock set amount = amount where item = 1'],
    ['insert ignore into stock values (1, 10)'],
    ['savepoint s', 'insert into stock values (2, 10)', 'rollback to s'],
    ['create temporary table mine (i int)', 'insert into mine values (1)'],
    ['set @a = 1'],
  ]) {
    const { branch, client } = await story.branch();
    for (const statement of statements) await client.query(statement);
    assert.deepEqual(await branch.end(), { hasWritten: true }, statements[0]);
    assert.deepEqual(await branch.prepare(), { kind: 'yes' });
    const evidence = branch.evidence();
    const wish = { id: branch.id, direction: 'commit', evidence, mayHaveFinished: false } as const;
    let answer = await story.manager.recovery.finish(wish);
    while (answer.kind === 'again') answer = await story.manager.recovery.finish(wish);
    assert.equal(answer.kind, 'done', `${statements[0]}: ${JSON.stringify(answer)}`);
    await branch.rollback();
  }
  assert.deepEqual(await story.markers(), []);
});

test('MariaDB: branches have the isolation level that was asked for, also on a connection that had another', async (t) => {
  await using story = await MysqlStory.begin(t, { poolSize: 1 });
  if (story === undefined) return;
  for (const isolationLevel of ['read committed', 'serializable', 'repeatable read', 'read committed'] as const) {
    const { branch, client } = await story.branch({ isolationLevel });
    const [[row]] = await client.query<RowDataPacket[]>('select @@tx_isolation as level');
    assert.equal(row?.level, isolationLevel.toUpperCase().replace(' ', '-'));
    await branch.rollback();
  }
});

test('MariaDB: what a handler does to its session is gone when the next one has it', async (t) => {
  await using story = await MysqlStory.begin(t, { poolSize: 1 });
  if (story === undefined) return;
  const { branch: first, client: altering } = await story.branch();
  await altering.query("set @mine = 'left behind'");
  await altering.query('set session transaction isolation level serializable');
  await altering.query("set session sql_mode = 'ANSI_QUOTES'");
  await altering.query('create temporary table mine (i int)');
  await first.end();
  await first.commitWithMarker();

  const { branch, client } = await story.branch();
  const [[row]] = await client.query<RowDataPacket[]>(
    'select @mine as mine, @@tx_isolation as level, @@sql_mode = @@global.sql_mode as has_default_mode',
  );
  assert.deepEqual({ ...row }, { mine: null, has_default_mode: 1, level: 'READ-COMMITTED' });
  await branch.rollback();
});

test('MariaDB: the server ends a session that lies idle in a branch for too long', async (t) => {
  await using story = await MysqlStory.begin(t, { poolSize: 1 });
  if (story === undefined) return;
  const { branch, client } = await story.branch({ idleMsMax: 60_000 });
  const [[row]] = await client.query<RowDataPacket[]>('select @@idle_transaction_timeout as seconds');
  assert.equal(row?.seconds, 90);
  await branch.rollback();
});

test('MariaDB: pooled connections that died are replaced by a new one when a branch begins', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const branches = [await story.branch(), await story.branch()];
  for (const { branch } of branches) await branch.rollback();
  for (const { branch } of branches) await story.manager.recovery.endSession(branch.session);

  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
});

test('MariaDB: an id that is used already begins no second branch', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch } = await story.branch();
  await assert.rejects(story.branch({ id: branch.id }), { code: 'RESOURCE_UNAVAILABLE', message: /1440/ });
  await branch.rollback();
});

test('MariaDB: a pool that is used up keeps nobody from finishing a branch', async (t) => {
  await using story = await MysqlStory.begin(t, { poolSize: 1 });
  if (story === undefined) return;
  const branch = await story.prepared(1);
  const answer = await story.manager.recovery.finish({
    id: branch.id,
    direction: 'commit',
    evidence: branch.evidence(),
    mayHaveFinished: false,
  });
  assert.equal(answer.kind, 'done');
  assert.deepEqual(await story.items(), [1]);
  await branch.rollback();
});

test('MariaDB: ambient statements join the transaction that the code runs in, and are refused outside of any', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { resource } = story;
  const { branch, client } = await story.branch();
  await runInTransaction({ enlist: async () => client }, async () => {
    await resource.query('insert into stock values (1, 1)');
    await resource.execute('insert into stock values (?, 1)', [2]);
    const [rows] = await resource.query<RowDataPacket[]>('select item from stock');
    assert.equal(rows.length, 2);
  });
  assert.deepEqual(await story.items(), []);
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
  assert.deepEqual(await story.items(), [1, 2]);
  await assert.rejects(resource.query('select 1'), { code: 'NO_TRANSACTION' });
});
