import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import {
  BRANCH_ROLLED_BACK,
  DUPLICATE_KEY,
  judgeFinish,
  judgeOnePhaseCommit,
  judgePrepare,
  LOCK_WAIT_TIMEOUT,
  NO_SUCH_THREAD,
  UNKNOWN_BRANCH,
  WRONG_BRANCH_STATE,
} from '../../src/resources/mysql/answers.ts';
import { startMariadb } from '../../tools/databases/start-mariadb.ts';
import { requireMariadb } from '../support/test-databases.ts';
import { errorOf, failureOf, MysqlBench, numberOf } from './mysql-bench.ts';

/*
 * The table of answers (guarantees-and-faults.md 4.5), row by row, without any of our own code between us and the server:
 * what is written there was measured on MariaDB 10.11, and is measured again here on the version that runs.
 */

test('MariaDB measured: XA START in a local transaction is answered 1400, and with an id in use 1440', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const [one, two] = [await bench.open(), await bench.open()];
  await one.query('begin');
  await one.query('insert into t values (1, 1)');
  assert.equal(await errorOf(one, `xa start ${bench.xid('a')}`), 1400);
  await one.query('rollback');
  await one.query(`xa start ${bench.xid('a')}`);
  assert.equal(await errorOf(two, `xa start ${bench.xid('a')}`), 1440);
  await bench.rollBack(one, 'a');
});

test('MariaDB measured: COMMIT, ROLLBACK, BEGIN and DDL in a branch are answered 1399, and the branch lives on', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const session = await bench.open();
  await session.query(`xa start ${bench.xid('a')}`);
  await session.query('insert into t values (1, 1)');
  for (const sql of ['commit', 'rollback', 'begin', 'start transaction', 'create table u (i int)', 'truncate t']) {
    assert.equal(await errorOf(session, sql), WRONG_BRANCH_STATE, sql);
  }
  assert.deepEqual(await bench.items(), []);
  await session.query(`xa end ${bench.xid('a')}`);
  await session.query(`xa commit ${bench.xid('a')} one phase`);
  assert.deepEqual(await bench.items(), [1]);
});

test('MariaDB measured: after 1062, and after 1205, the transaction is alive, and a commit commits the rest of it', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const [session, other] = [await bench.open(), await bench.open()];
  await session.query(`xa start ${bench.xid('a')}`);
  await session.query('insert into t values (1, 1)');
  assert.equal(await errorOf(session, 'insert into t values (1, 1)'), DUPLICATE_KEY);
  await other.query('begin');
  await other.query('insert into t values (2, 2)');
  await session.query('set session innodb_lock_wait_timeout = 1');
  assert.equal(await errorOf(session, 'insert into t values (2, 2)'), LOCK_WAIT_TIMEOUT);
  await session.query(`xa end ${bench.xid('a')}`);
  await session.query(`xa commit ${bench.xid('a')} one phase`);
  await other.query('rollback');
  assert.deepEqual(await bench.items(), [1]);
});

test('MariaDB measured: after 1213 XA END and XA PREPARE are answered 1399, and XA ROLLBACK ends it', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const { victim, name, settled } = await bench.deadlock();
  assert.equal(await errorOf(victim, `xa end ${bench.xid(name)}`), WRONG_BRANCH_STATE);
  const error = await failureOf(victim, `xa prepare ${bench.xid(name)}`);
  assert.equal(numberOf(error), WRONG_BRANCH_STATE);
  assert.equal(judgePrepare(error), 'no');
  await victim.query(`xa rollback ${bench.xid(name)}`);
  await settled();
});

test('MariaDB measured: after 1213 XA COMMIT ONE PHASE is answered 1614, which ends it', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const { victim, name, settled } = await bench.deadlock();
  const error = await failureOf(victim, `xa commit ${bench.xid(name)} one phase`);
  assert.equal(numberOf(error), 1614);
  assert.equal(judgeOnePhaseCommit(error), 'refused');
  assert.equal(await errorOf(victim, `xa rollback ${bench.xid(name)}`), UNKNOWN_BRANCH);
  await settled();
});

test('MariaDB measured: while its owner is connected a prepared branch is listed, and unknown (1397) to everybody else', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const [owner, other] = [await bench.open(), await bench.open()];
  await bench.prepare(owner, 'a', 'insert into t values (1, 1)');
  assert.deepEqual(await bench.listed(), ['a']);
  const error = await failureOf(other, `xa commit ${bench.xid('a')}`);
  assert.equal(numberOf(error), UNKNOWN_BRANCH);
  assert.equal(judgeFinish(error, 'commit'), 'look');
  assert.deepEqual(await bench.listed(), ['a']);
  // The owner can do nothing with tables before it has finished it.
  await owner.query('select 1');
  assert.equal(await errorOf(owner, 'select * from t'), WRONG_BRANCH_STATE);
  assert.equal(await errorOf(owner, 'insert into t values (2, 2)'), WRONG_BRANCH_STATE);

  await other.query(`kill ${owner.threadId}`);
  await bench.untilOwnerless('a', () => other.query(`xa commit ${bench.xid('a')}`));
  assert.deepEqual(await bench.items(), [1]);
  // Finished: unknown again, and not listed any more.
  assert.equal(await errorOf(other, `xa commit ${bench.xid('a')}`), UNKNOWN_BRANCH);
  assert.deepEqual(await bench.listed(), []);
});

test('MariaDB measured: a prepared branch without a change is answered 1402 by another session, in both directions', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  await bench.outside.query('insert into t values (1, 1)');
  const other = await bench.open();
  const undone = 'savepoint s; insert into t values (2, 2); rollback to s';
  for (const statement of [
    'select * from t',
    'select * from t for update',
    'update t set v = v where id = 1',
    undone,
  ]) {
    for (const direction of ['commit', 'rollback'] as const) {
      const owner = await bench.open();
      await bench.prepare(owner, direction, ...statement.split('; '));
      owner.destroy();
      const error: unknown = await bench.untilOwnerless(direction, () =>
        failureOf(other, `xa ${direction} ${bench.xid(direction)}`),
      );
      assert.equal(numberOf(error), BRANCH_ROLLED_BACK, `${statement}: ${direction}`);
      assert.equal(judgeFinish(error, direction), direction === 'rollback' ? 'done' : 'heuristicRollback');
      assert.deepEqual(await bench.listed(), []);
    }
  }
});

test('MariaDB measured: a row that was inserted and deleted is a change, and another session commits it with OK', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const [owner, other] = [await bench.open(), await bench.open()];
  await bench.prepare(owner, 'a', 'insert into t values (1, 1)', 'delete from t where id = 1');
  owner.destroy();
  await bench.untilOwnerless('a', () => other.query(`xa commit ${bench.xid('a')}`));
  assert.deepEqual(await bench.items(), []);
});

test('MariaDB measured: ONE PHASE of a prepared branch is refused, and the branch stays prepared', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const owner = await bench.open();
  await bench.prepare(owner, 'a', 'insert into t values (1, 1)');
  const error = await failureOf(owner, `xa commit ${bench.xid('a')} one phase`);
  assert.equal(numberOf(error), 1398);
  assert.deepEqual(await bench.listed(), ['a']);
  await owner.query(`xa rollback ${bench.xid('a')}`);
});

test('MariaDB measured: an id of 65 bytes is a syntax error (1064), one of 64 is not', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const session = await bench.open();
  const longest = bench.name.padEnd(64, 'x');
  assert.equal(await errorOf(session, `xa start '${longest}x','b',1`), 1064);
  await session.query(`xa start '${longest}','b',1`);
  await session.query(`xa end '${longest}','b',1`);
  await session.query(`xa rollback '${longest}','b',1`);
});

test('MariaDB measured: the format number is ignored when a branch is looked for', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const owner = await bench.open();
  await owner.query(`xa start '${bench.name}','a',7`);
  await owner.query('insert into t values (1, 1)');
  await owner.query(`xa end '${bench.name}','a',7`);
  await owner.query(`xa prepare '${bench.name}','a',7`);
  await owner.query(`xa commit '${bench.name}','a',8`);
  assert.deepEqual(await bench.items(), [1]);
});

test('MariaDB measured: what was written into a table of MyISAM survives a rollback', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  await bench.outside.query('create table m (id int primary key) engine = MyISAM');
  const session = await bench.open();
  await session.query(`xa start ${bench.xid('a')}`);
  await session.query('insert into m values (1)');
  await bench.rollBack(session, 'a');
  const [rows] = await bench.outside.query<RowDataPacket[]>('select id from m');
  assert.deepEqual(rows, [{ id: 1 }]);
});

test('MariaDB measured: a number of a session that is gone is answered 1094 by KILL, and its list has no such row', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const session = await bench.open();
  const id = session.threadId;
  await session.end();
  const gone = async (): Promise<boolean> => {
    const [rows] = await bench.outside.query<RowDataPacket[]>(
      'select id from information_schema.processlist where id = ?',
      [id],
    );
    return rows.length === 0;
  };
  while (!(await gone())) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await errorOf(bench.outside, `kill ${id}`), NO_SUCH_THREAD);
});

test('MariaDB measured: the reading of a server’s start is the same in all sessions, whatever they do to their clock', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const sql = `select cast(unix_timestamp() as signed) - cast(cast(variable_value as unsigned) as signed) as start
    from information_schema.global_status where variable_name = 'UPTIME'`;
  const starts = new Set<number>();
  for (const timestamp of ['default', '1000000000', '2000000000']) {
    const session = await bench.open();
    await session.query(`set timestamp = ${timestamp}`);
    const [[row]] = await session.query<RowDataPacket[]>(sql);
    starts.add(Number(row?.start));
  }
  assert.equal(starts.size, 1);
});

test('MariaDB measured: reading leaves the counters of writes alone, and each write moves them', async (t) => {
  await using bench = await MysqlBench.begin(t);
  if (bench === undefined) return;
  const session = await bench.open();
  const counters = async (): Promise<string> => {
    const [rows] = await session.query<RowDataPacket[]>(
      "show session status where variable_name in ('Handler_write', 'Handler_update', 'Handler_delete')",
    );
    return JSON.stringify(rows);
  };
  await bench.outside.query('insert into t values (1, 1), (2, 1)');
  let before = await counters();
  for (const sql of [
    'select v, count(*) from t group by v order by count(*) desc',
    'select * from information_schema.tables limit 1',
    'select distinct v from t union select 5',
    'show tables',
  ]) {
    await session.query(sql);
    assert.equal(await counters(), before, sql);
  }
  for (const sql of ['insert into t values (3, 1)', 'update t set v = 2 where id = 3', 'delete from t where id = 3']) {
    await session.query(sql);
    const after = await counters();
    assert.notEqual(after, before, sql);
    before = after;
  }
});

test('MariaDB measured: a kill of the server, and a stop in good order, keep prepared branches and their locks', async (t) => {
  if (requireMariadb(t) === undefined) return;
  await using server = await startMariadb();
  const setup = await createConnection(server.url);
  await setup.query('create database measured');
  await setup.query('create table measured.t (id int primary key, v int) engine = InnoDB');
  await setup.query('insert into measured.t values (1, 1)');
  await setup.end();
  for (const immediate of [true, false]) {
    const owner = await createConnection(server.url);
    owner.on('error', () => undefined);
    await owner.query("xa start 'kept','b',1");
    await owner.query('update measured.t set v = v + 1 where id = 1');
    await owner.query("xa end 'kept','b',1");
    await owner.query("xa prepare 'kept','b',1");
    await server.restart({ immediate });
    owner.destroy();
    const after = await createConnection(server.url);
    const [listed] = await after.query<RowDataPacket[]>('xa recover');
    assert.deepEqual(
      listed.map((row) => String(row.data)),
      ['keptb'],
    );
    await after.query('set session innodb_lock_wait_timeout = 1');
    assert.equal(await errorOf(after, 'update measured.t set v = 100 where id = 1'), LOCK_WAIT_TIMEOUT);
    await after.query("xa commit 'kept','b',1");
    await after.end();
  }
  const last = await createConnection(server.url);
  const [[row]] = await last.query<RowDataPacket[]>('select v from measured.t');
  assert.equal(row?.v, 3);
  await last.end();
});
