import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import pg from 'pg';
import {
  judgeGone,
  leavesSession,
  refusedFinish,
  refusedVote,
  sqlState,
  votedYes,
  type XactStatus,
} from '../../src/resources/postgres/answers.ts';
import { startPostgres } from '../../tools/databases/start-postgres.ts';
import { freshDatabase, requirePostgres, requireUnpreparedPostgres } from '../support/test-databases.ts';

/*
 * Every row of the answer table of guarantees-and-faults.md 4.5, measured against the server that runs here: what the
 * server says, and what answers.ts makes of it.
 */

/** A raw connection: what the server says, tags and warnings included. */
class Session {
  readonly client: pg.Client;
  tags: string[] = [];
  readonly warnings: (string | undefined)[] = [];

  constructor(connectionString: string) {
    this.client = new pg.Client(connectionString);
    this.client.on('error', () => undefined);
    this.client.connection.on('commandComplete', ({ text }: { readonly text: string }) => this.tags.push(text));
    this.client.on('notice', ({ code }) => this.warnings.push(code));
  }

  async run(sql: string): Promise<readonly Record<string, unknown>[]> {
    this.tags = [];
    // Of several statements the driver gives an array; its types do not say so.
    const results = [await this.client.query(sql)].flat();
    return results.at(-1)?.rows ?? [];
  }

  /** The code of the error that must come. */
  async code(sql: string): Promise<string> {
    try {
      await this.run(sql);
    } catch (error) {
      return sqlState(error) ?? `no code: ${String(error)}`;
    }
    return `no error, tags ${this.tags.join()}`;
  }
}

async function setup(t: TestContext) {
  const server = requirePostgres(t);
  if (server === undefined) return undefined;
  const database = await freshDatabase(server);
  const sessions: Session[] = [];
  const open = async (connectionString = database.connectionString): Promise<Session> => {
    const session = new Session(connectionString);
    sessions.push(session);
    await session.client.connect();
    return session;
  };
  t.after(async () => {
    for (const { client } of sessions) await client.end().catch(() => undefined);
    await database[Symbol.asyncDispose]();
  });
  const one = await open();
  await one.run('create table t (n int primary key, m int)');
  return { server, database, open, one };
}

let last = 0;
function gid(): string {
  return `answers:${process.pid}:${++last}`;
}

describe('PREPARE TRANSACTION', () => {
  test('of a transaction that is well has its own tag: yes', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    const name = gid();
    await one.run(`begin; insert into t values (1); prepare transaction '${name}'`);
    assert.deepEqual(one.tags, ['BEGIN', 'INSERT 0 1', 'PREPARE TRANSACTION']);
    assert.equal(votedYes(one.tags), true);
    await one.run(`rollback prepared '${name}'`);
  });

  test('of a transaction that has failed is a success with the tag ROLLBACK: no', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    await one.run('begin');
    assert.equal(await one.code('select 1/0'), '22012');
    await one.run(`prepare transaction '${gid()}'`);
    assert.deepEqual(one.tags, ['ROLLBACK']);
    assert.equal(votedYes(one.tags), false);
  });

  test('outside of a transaction is a success with a warning and the tag ROLLBACK: no', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    await one.run(`prepare transaction '${gid()}'`);
    assert.deepEqual([one.tags, one.warnings], [['ROLLBACK'], ['25P01']]);
    assert.equal(votedYes(one.tags), false);
  });

  test('fault 76: of a transaction that cannot be serialized: no, worth another try', async (t) => {
    const { one, open } = (await setup(t)) ?? {};
    if (one === undefined || open === undefined) return;
    const two = await open();
    for (const session of [one, two]) await session.run('begin isolation level serializable; select count(*) from t');
    await one.run('insert into t values (1)');
    await two.run('insert into t values (2)');
    const name = gid();
    await one.run(`prepare transaction '${name}'`);
    const code = await two.code(`prepare transaction '${gid()}'`);
    assert.equal(code, '40001');
    assert.equal(refusedVote(code), 'retry');
    await one.run(`rollback prepared '${name}'`);
  });

  test('fault 75: a deadlock victim hears 40P01 at its statement: no, worth another try', async (t) => {
    const { one, open } = (await setup(t)) ?? {};
    if (one === undefined || open === undefined) return;
    const two = await open();
    await one.run('insert into t values (1), (2)');
    await one.run('begin; update t set m = 1 where n = 1');
    await two.run("begin; set local deadlock_timeout = '20ms'; update t set m = 1 where n = 2");
    const waiting = one.run('update t set m = 2 where n = 2');
    const code = await two.code('update t set m = 2 where n = 1');
    assert.equal(code, '40P01');
    assert.equal(refusedVote(code), 'retry');
    await two.run('rollback');
    await waiting;
    await one.run('rollback');
  });

  test('against a deferred constraint: no, and it will be so again', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    await one.run('create table u (n int references t deferrable initially deferred)');
    const code = await one.code(`begin; insert into u values (7); prepare transaction '${gid()}'`);
    assert.equal(code, '23503');
    assert.equal(refusedVote(code), 'wrong');
    await one.run('rollback');
    assert.deepEqual(one.warnings, ['25P01'], 'it was rolled back by the refusal');
  });

  for (const [what, sql] of [
    ['a temporary table', 'create temp table x (n int); insert into x values (1)'],
    ['NOTIFY', 'notify x'],
    ['LISTEN', 'listen x'],
    ['an exported snapshot', 'select pg_export_snapshot()'],
    ['an advisory lock of session and transaction', 'select pg_advisory_lock(1), pg_advisory_xact_lock(1)'],
  ]) {
    test(`with ${what}: no, and it will be so again`, async (t) => {
      const { one } = (await setup(t)) ?? {};
      if (one === undefined) return;
      await one.run('begin; insert into t values (1)');
      await one.run(sql ?? '');
      const code = await one.code(`prepare transaction '${gid()}'`);
      assert.equal(code, '0A000');
      assert.equal(refusedVote(code), 'wrong');
      await one.run('rollback');
      assert.deepEqual(await one.run('select n from t'), []);
    });
  }

  test('with a name that is prepared already: no, an alarm', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    const name = gid();
    await one.run(`begin; insert into t values (1); prepare transaction '${name}'`);
    const code = await one.code(`begin; insert into t values (2); prepare transaction '${name}'`);
    assert.equal(code, '42710');
    assert.equal(refusedVote(code), 'duplicate');
    await one.run('rollback');
    await one.run(`rollback prepared '${name}'`);
  });

  test('with a name of 199 bytes: yes; of 200: no', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    const name = gid().padEnd(199, 'x');
    await one.run(`begin; insert into t values (1); prepare transaction '${name}'`);
    assert.equal(votedYes(one.tags), true);
    await one.run(`rollback prepared '${name}'`);
    assert.equal(await one.code(`begin; prepare transaction '${name}x'`), '22023');
    assert.equal(refusedVote('22023'), 'wrong');
    await one.run('rollback');
  });

  test('where prepared transactions are disabled: no, a setting', async (t) => {
    const server = requireUnpreparedPostgres(t);
    if (server === undefined) return;
    const session = new Session(server.url);
    await session.client.connect();
    const code = await session.code(`begin; select pg_current_xact_id(); prepare transaction '${gid()}'`);
    await session.client.end();
    assert.equal(code, '55000');
    assert.equal(refusedVote(code), 'disabled');
  });

  test('fault 74: where all places are taken: no, and others go on', async (t) => {
    if (requirePostgres(t) === undefined) return;
    await using server = await startPostgres({ preparedMax: 1 });
    const session = new Session(server.url);
    await session.client.connect();
    await session.run(`begin; select pg_current_xact_id(); prepare transaction 'first'`);
    const code = await session.code(`begin; select pg_current_xact_id(); prepare transaction 'second'`);
    assert.equal(code, '53200');
    assert.equal(refusedVote(code), 'full');
    await session.run('rollback');
    await session.run(`commit prepared 'first'`);
    assert.deepEqual(session.tags, ['COMMIT PREPARED']);
    await session.client.end();
  });

  test('of a session that was ended: nothing is known, and the connection is not to be used', async (t) => {
    const { one, open } = (await setup(t)) ?? {};
    if (one === undefined || open === undefined) return;
    const two = await open();
    await two.run('begin; insert into t values (1)');
    const [row] = await two.run('select pg_backend_pid() as pid');
    const sleeping = two.run('select pg_sleep(30)').catch((error: unknown) => error);
    await one.run(`select pg_terminate_backend(${Number(row?.pid)})`);
    const error = await sleeping;
    assert.equal(sqlState(error), '57P01');
    assert.equal(leavesSession(error), false);
    assert.equal(refusedVote('57P01'), undefined);
  });
});

describe('COMMIT PREPARED and ROLLBACK PREPARED', () => {
  test('of a name that is not there: 42704, and the number tells what became of it', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    for (const [end, status] of [
      ['commit', 'committed'],
      ['rollback', 'aborted'],
    ] as const) {
      const name = gid();
      await one.run('begin; insert into t values (1)');
      const [number] = await one.run('select pg_current_xact_id()::text as n');
      await one.run(`prepare transaction '${name}'`);
      const statusNow = async (): Promise<unknown> =>
        (await one.run(`select pg_xact_status('${String(number?.n)}'::xid8) as status`))[0]?.status;
      assert.equal(await statusNow(), 'in progress');
      await one.run(`${end} prepared '${name}'`);
      assert.equal(await one.code(`commit prepared '${name}'`), '42704');
      assert.equal(refusedFinish('42704'), 'gone');
      assert.equal(await statusNow(), status);
      await one.run('delete from t');
    }
    assert.equal(await one.code(`select pg_xact_status('999999999999'::xid8)`), '22023', 'of a number to come');
    const [old] = await one.run(`select pg_xact_status('3'::xid8) as status`);
    assert.ok(old?.status === null || old?.status === 'committed', 'too old, or kept still');
  });

  const judged: readonly (readonly [XactStatus, string, string])[] = [
    ['committed', 'done', 'heuristic committed'],
    ['aborted', 'heuristic rolledBack', 'done'],
    ['in progress', 'again', 'again'],
    ['inFuture', 'heuristic hazard', 'done'],
    [null, 'heuristic hazard', 'done'],
    [undefined, 'heuristic hazard', 'done'],
  ];
  for (const [status, commit, rollback] of judged) {
    test(`a branch that is gone, its status ${status}, is ${commit} when it was to be committed`, () => {
      const words = (['commit', 'rollback'] as const).map((direction) => {
        const answer = judgeGone({ direction, status, mayHaveFinished: false });
        return answer.kind === 'heuristic' ? `heuristic ${answer.outcome}` : answer.kind;
      });
      assert.deepEqual(words, [commit, rollback]);
    });
  }

  test('a branch that is gone without a number is done when an attempt of ours may have been carried out', () => {
    const request = { direction: 'commit', status: undefined, mayHaveFinished: true } as const;
    assert.equal(judgeGone(request).kind, 'done');
  });

  test('by another user: 42501, asked again', async (t) => {
    const { one, open, database } = (await setup(t)) ?? {};
    if (one === undefined || open === undefined || database === undefined) return;
    const role = `${database.name}_other`;
    const name = gid();
    await one.run(`create role ${role} login password 'other'`);
    const url = Object.assign(new URL(database.connectionString), { username: role, password: 'other' });
    await one.run(`begin; insert into t values (1); prepare transaction '${name}'`);
    const other = await open(url.href);
    assert.equal(await other.code(`commit prepared '${name}'`), '42501');
    assert.equal(refusedFinish('42501'), 'otherUser');
    await one.run(`rollback prepared '${name}'`);
    await other.client.end();
    await one.run(`drop role ${role}`);
  });

  test('from another database of the server: 0A000, asked again', async (t) => {
    const { one, open, server } = (await setup(t)) ?? {};
    if (one === undefined || open === undefined || server === undefined) return;
    const name = gid();
    await one.run(`begin; insert into t values (1); prepare transaction '${name}'`);
    const elsewhere = await open(server.url);
    assert.equal(await elsewhere.code(`commit prepared '${name}'`), '0A000');
    assert.equal(refusedFinish('0A000'), 'otherDatabase');
    await one.run(`rollback prepared '${name}'`);
  });

  test('of two sessions at once, one ends it and the other hears busy or gone', async (t) => {
    const { one, open } = (await setup(t)) ?? {};
    if (one === undefined || open === undefined) return;
    const others = [await open(), await open()];
    for (let round = 0; round < 10; round++) {
      const name = gid();
      await one.run(`begin; insert into t values (${round}); prepare transaction '${name}'`);
      const heard = await Promise.all(
        others.map(async (other) => {
          const code = await other.code(`commit prepared '${name}'`);
          return code.startsWith('no error') ? 'done' : refusedFinish(code);
        }),
      );
      assert.equal(heard.filter((word) => word === 'done').length, 1, heard.join());
      assert.ok(
        heard.every((word) => word === 'done' || word === 'busy' || word === 'gone'),
        heard.join(),
      );
    }
  });

  test('inside of a transaction: 25001, asked again', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    const name = gid();
    await one.run(`begin; insert into t values (1); prepare transaction '${name}'`);
    await one.run('begin');
    assert.equal(await one.code(`commit prepared '${name}'`), '25001');
    assert.equal(refusedFinish('25001'), 'again');
    await one.run('rollback');
    await one.run(`rollback prepared '${name}'`);
  });
});

describe('what else the protocols lean on', () => {
  test('a marker without the id of its transaction is refused, and COMMIT behind it is not carried out', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    await one.run('create table m (id char(3) collate "C" primary key check (char_length(id) = 3))');
    const commit = `insert into m (id) values (current_setting('answers.transaction')); commit`;
    assert.equal(await one.code(`begin; ${commit}`), '42704', 'never set in this session');
    await one.run('rollback');
    await one.run(`begin; set local answers.transaction = 'abc'; insert into t values (1); ${commit}`);
    assert.equal(one.tags.at(-1), 'COMMIT');
    await one.run(`begin; set local answers.transaction = 'def'; commit; begin; insert into t values (2)`);
    assert.equal(await one.code(commit), '23514', 'gone with the transaction that it was set in');
    await one.run('rollback');
    assert.deepEqual(await one.run('select n from t'), [{ n: 1 }]);
  });

  test('ROLLBACK TO has the tag of ROLLBACK, and only the state of the transaction tells them apart', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    await one.run('begin; savepoint a');
    await one.run('rollback to a');
    assert.deepEqual([one.tags, one.client.getTransactionStatus()], [['ROLLBACK'], 'T']);
    await one.run('rollback');
    assert.deepEqual([one.tags, one.client.getTransactionStatus()], [['ROLLBACK'], 'I']);
  });

  test('a transaction that has written nothing has no number; one that locked a row has', async (t) => {
    const { one } = (await setup(t)) ?? {};
    if (one === undefined) return;
    await one.run('insert into t values (1)');
    const number = 'select pg_current_xact_id_if_assigned()::text as n';
    await one.run('begin; select count(*) from t');
    assert.deepEqual(await one.run(number), [{ n: null }]);
    await one.run('select * from t for update');
    assert.notDeepEqual(await one.run(number), [{ n: null }]);
    await one.run('rollback');
  });
});
