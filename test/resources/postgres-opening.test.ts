import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import pg, { type PoolClient, type QueryArrayResult, type QueryResult } from 'pg';
import { BranchConnection } from '../../src/resources/postgres/branch-connection.ts';
import { BranchOpening } from '../../src/resources/postgres/branch-opening.ts';
import { guardClient } from '../../src/resources/postgres/guarded-client.ts';
import type { PostgresConnection } from '../../src/resources/postgres/postgres-connection.ts';
import { StatementWatch } from '../../src/resources/postgres/statement-watch.ts';
import { beginOn, branchDoors, commit, postgresStory } from './postgres-story.ts';
import type { ResourceStory } from './resource-story.ts';

type Answer = QueryResult | QueryArrayResult;

const INSERT = 'insert into effects (number) values ($1) returning number';
const QUERY_MS = 300;
const PLAIN = 'insert into effects (number) values (1) returning number';

/** The first thing that a handler asks; all of it inserts the number 1, or the numbers up to 3. */
const FIRST_STATEMENTS: Readonly<Record<string, (db: PoolClient | pg.Client) => Promise<readonly Answer[]>>> = {
  'a text with values': async (db) => [await db.query(INSERT, [1])],
  'a text without values': async (db) => [await db.query(PLAIN)],
  'a text of several statements': async (db) => [await db.query(`${PLAIN}; select 2 as two`)].flat(),
  'a config with values': async (db) => [await db.query({ text: INSERT, values: [1] })],
  'a config with its values beside it': async (db) => [await db.query({ text: INSERT }, [1])],
  'a config for arrays': async (db) => [await db.query({ text: INSERT, values: [1], rowMode: 'array' })],
  'a named statement': async (db) => [await db.query({ name: 'insert', text: INSERT, values: [1] })],
  'a text with a callback': (db) => called((done) => db.query(PLAIN, done)),
  'a text with values and a callback': (db) => called((done) => db.query(INSERT, [1], done)),
  'a config with a callback': (db) => called((done) => db.query({ text: INSERT, values: [1] }, done)),
  'a query object': async (db) => (await once(db.query(new pg.Query(INSERT, [1])), 'end')) as [QueryResult],
  'three at once': (db) => Promise.all([1, 2, 3].map((number) => db.query(INSERT, [number]))),
  'three at once, the first without values': (db) =>
    Promise.all([db.query(PLAIN), db.query(INSERT, [2]), db.query({ name: 'insert', text: INSERT, values: [3] })]),
};

function called(ask: (done: (error: Error | undefined, result: QueryResult) => void) => void) {
  return new Promise<readonly Answer[]>((resolve, reject) => {
    ask((error, result) => (error ? reject(error) : resolve([result])));
  });
}

/** What callers read in a result. */
function shapeOf({ command, rowCount, rows, fields }: Answer) {
  return { command, rowCount, rows, fields: fields.map(({ name, dataTypeID }) => ({ name, dataTypeID })) };
}

describe('the first statement of a branch on PostgreSQL', () => {
  for (const [form, send] of Object.entries(FIRST_STATEMENTS)) {
    test(`as ${form} is part of its transaction, and is answered as the driver answers`, async (t) => {
      const story = await postgresStory(t, { poolSize: 1 });
      if (story === undefined) return;
      const told = await fromTheDriver(story, send);
      for (const numbers of [[], told.flatMap(({ command, rowCount }) => (command === 'SELECT' ? [] : rowCount))]) {
        const branch = await story.begin();
        const answers = await send(branch.client as PoolClient);
        assert.deepEqual(answers.map(shapeOf), told);
        if (numbers.length === 0) await branch.rollback();
        else await commit(branch);
        assert.deepEqual(
          await story.database.numbers(),
          numbers.map((_, index) => index + 1),
        );
      }
    });
  }

  describe('where the driver has a time for all queries', () => {
    const setup = async (t: TestContext) => {
      pg.defaults.query_timeout = QUERY_MS;
      t.after(() => {
        pg.defaults.query_timeout = 0;
      });
      const story = await postgresStory(t, { poolSize: 1 });
      if (story === undefined) return undefined;
      const branch = await story.begin();
      const heard: string[] = [];
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const ask = (sql = INSERT): Promise<void> =>
        new Promise((resolve) => {
          (branch.client as PoolClient).query(sql, [1], (error) => {
            heard.push(error?.message ?? 'done');
            resolve();
          });
        });
      return { story, branch, heard, ask };
    };

    test('is answered once, and that time is over with it', async (t) => {
      const { story, branch, heard, ask } = (await setup(t)) ?? {};
      if (story === undefined || branch === undefined || ask === undefined) return;
      await ask();
      t.mock.timers.tick(QUERY_MS);
      await commit(branch);
      assert.deepEqual([heard, await story.database.numbers()], [['done'], [1]]);
    });

    for (const [how, sql] of [
      ['is answered', INSERT],
      ['fails', `${INSERT}, 1 / (number - 1)`],
    ] as const) {
      test(`is told once that it took too long, though it ${how} later`, async (t) => {
        const { story, branch, heard, ask } = (await setup(t)) ?? {};
        if (story === undefined || branch === undefined || ask === undefined) return;
        const caught = story.database.proxy.trap(/insert into effects/, 'answer');
        const asked = ask(sql);
        const { link, answered } = await caught;
        await answered;
        t.mock.timers.tick(QUERY_MS);
        await asked;
        link.letGo();
        await branch.rollback();
        assert.deepEqual([heard, await story.database.numbers()], [['Query read timeout'], []]);
      });
    }
  });

  test('may be empty, and what follows it is in the transaction', async (t) => {
    const story = await postgresStory(t, { poolSize: 1 });
    if (story === undefined) return;
    const branch = await story.begin();
    const db = branch.client as PoolClient;
    await db.query('', [1]);
    await db.query(INSERT, [1]);
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('leaves what the caller gave as it was, so that it can be asked again', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const branch = await story.begin();
    const db = branch.client as PoolClient;
    const config = Object.freeze({ text: INSERT, values: [1] });
    await db.query(config);
    assert.deepEqual(Object.keys(config), ['text', 'values']);
    assert.equal((await db.query(config)).rowCount, 1);
    await commit(branch);
    assert.deepEqual(await story.database.numbers(), [1, 1]);
  });

  test('is followed by the others in the order in which they were asked', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const branch = await story.begin();
    const db = branch.client as PoolClient;
    const order: string[] = [];
    const ask = (name: string) => db.query('select $1 as name', [name]);
    const note = ({ rows: [row] }: QueryResult) => void order.push(row?.name);
    const first = ask('first');
    const second = ask('second').then(note);
    note(await first);
    await Promise.all([second, ask('third').then(note)]);
    assert.deepEqual(order, ['first', 'second', 'third']);
    await branch.rollback();
  });

  for (const [what, sql, code] of [
    ['that cannot be read', 'insert intoo effects (number) values ($1)', '42601'],
    ['that contradicts what is stored', INSERT, '23505'],
    ['whose value is of another type', 'insert into effects (number) values ($1::date)', '42804'],
  ] as const) {
    test(`dooms the branch when it is one ${what}, and the session goes to the next one`, async (t) => {
      const story = await postgresStory(t, { poolSize: 1 });
      if (story === undefined) return;
      await story.database.query('create unique index on effects (number); insert into effects values (7)');
      const branch = await story.begin();
      const db = branch.client as PoolClient;
      await assert.rejects(db.query(sql, [7]), { code });
      await assert.rejects(db.query(INSERT, [8]), { code: 'BRANCH_DOOMED' });
      await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
      await branch.rollback();
      const next = await story.begin();
      assert.equal(next.session, branch.session);
      await (next.client as PoolClient).query(INSERT, [9]);
      await commit(next);
      assert.deepEqual(await story.database.numbers(), [7, 9]);
    });
  }

  test('dooms the branch when the driver cannot send its values, and nothing is there', async (t) => {
    const story = await postgresStory(t, { poolSize: 1, statementErrors: 'handled' });
    if (story === undefined) return;
    const branch = await story.begin();
    const unsendable = {
      toPostgres: () => {
        throw new Error('not to be sent');
      },
    };
    await assert.rejects((branch.client as PoolClient).query(INSERT, [unsendable]), /not to be sent/);
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
    await branch.rollback();
    const next = await story.begin();
    await (next.client as PoolClient).query(INSERT, [1]);
    await commit(next);
    assert.deepEqual(await story.database.numbers(), [1]);
  });
});

async function fromTheDriver(story: ResourceStory, send: (db: pg.Client) => Promise<readonly Answer[]>) {
  const client = new pg.Client(story.database.directUrl);
  await client.connect();
  await client.query('begin');
  const answers = await send(client);
  await client.query('rollback');
  await client.end();
  return answers.map(shapeOf);
}

describe('a BEGIN on PostgreSQL that fails', () => {
  for (const [how, first] of [
    ['it came with', (db: PoolClient) => db.query(INSERT, [1])],
    ['it went before', (db: PoolClient) => db.query(PLAIN)],
    ['it went before, a query object', (db: PoolClient) => once(db.query(new pg.Query(INSERT, [1])), 'end')],
  ] as const) {
    test(`lets nothing run: not the statement that ${how}, nor the next ones`, async (t) => {
      const story = await postgresStory(t);
      if (story === undefined) return;
      const doors = branchDoors(t, story, { statementErrors: 'handled' });
      const connection = await BranchConnection.take({ idleMsMax: 60_000 }, doors);
      const opening: BranchOpening = new BranchOpening(connection, {
        statements: [{ text: 'selec' }],
        within: (answer) => answer,
        failed: (error) => statements.failedToBegin(error),
      });
      const statements = new StatementWatch(connection, opening, doors);
      const db = guardClient(connection, statements, opening);
      const told = await Promise.allSettled([first(db), db.query(INSERT, [2]), db.query(PLAIN)]);
      assert.deepEqual(
        told.map((each) => (each.status === 'rejected' ? each.reason.code : each.status)),
        ['42601', '42601', '42601'],
      );
      await assert.rejects(db.query(INSERT, [3]), { code: 'BRANCH_DOOMED' });
      assert.throws(() => statements.end(), { code: 'BRANCH_DOOMED' });
      // The session is well, and what was sent before would be done by now.
      assert.deepEqual(await connection.current.rows('select number from effects'), []);
      assert.deepEqual(await story.database.numbers(), []);
    });
  }
});

describe('round trips to PostgreSQL', () => {
  test('BEGIN and the first statement take one, marker and COMMIT one more, also when all is new to the session', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const doors = branchDoors(t, story);
    for (const number of [1, 2]) {
      const { branch, connection, db } = await beginOn(story, doors);
      const trips = countTrips(connection);
      await db.query(INSERT, [number]);
      assert.equal(trips(), 1);
      await branch.end();
      assert.equal(trips(), 1);
      assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
      assert.equal(trips(), 2);
    }
    assert.equal(doors.opened.length, 1);
    assert.deepEqual(await story.database.numbers(), [1, 2]);
  });

  test('are answered when the connection ends behind their last tag: nobody knows what became of the commit', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const { branch, connection, db } = await beginOn(story, branchDoors(t, story));
    await db.query(INSERT, [1]);
    await branch.end();
    const { connection: wire } = connection.client;
    // Where the server says so, it comes in one packet with the tag.
    wire.removeAllListeners('readyForQuery');
    wire.on('commandComplete', ({ text }: { readonly text: string }) => {
      if (text === 'COMMIT') wire.stream.destroy();
    });
    assert.equal((await branch.commitWithMarker()).kind, 'unknown');
    assert.deepEqual(await story.database.numbers(), [1]);
  });

  test('the question before PREPARE, and PREPARE, take one', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const { branch, connection, db } = await beginOn(story, branchDoors(t, story));
    await db.query(INSERT, [1]);
    await branch.end();
    const trips = countTrips(connection);
    assert.deepEqual(await branch.prepare(), { kind: 'yes' });
    assert.equal(trips(), 1);
    assert.equal((await branch.finish('commit')).kind, 'done');
  });

  test('a branch that asks nothing takes none, however it ends', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const doors = branchDoors(t, story);
    const { branch: earlier, connection } = await beginOn(story, doors);
    await earlier.rollback();
    const trips = countTrips(connection);
    const socket = connection.client.connection.stream as import('node:net').Socket;
    const { bytesWritten } = socket;
    assert.ok(bytesWritten > 0);
    const { branch: unused } = await beginOn(story, doors);
    assert.deepEqual(await unused.end(), { hasWritten: false });
    await unused.commitReadOnly();
    const { branch: dropped } = await beginOn(story, doors);
    await dropped.rollback();
    const { branch: endedFirst } = await beginOn(story, doors);
    assert.deepEqual(await endedFirst.end(), { hasWritten: false });
    await endedFirst.rollback();
    assert.deepEqual([trips(), socket.bytesWritten, doors.opened.length], [0, bytesWritten, 1]);
  });
});

/** The server ends each round trip by saying that it is ready. */
function countTrips({ client }: PostgresConnection): () => number {
  let count = 0;
  client.connection.on('readyForQuery', () => count++);
  return () => count;
}

test('statements of ours that had to wait for their turn are not heard as those of a branch', async (t) => {
  const story = await postgresStory(t);
  if (story === undefined) return;
  const connection = await branchDoors(t, story).pool.acquire({ timeoutMs: 3000 });
  const heard: string[] = [];
  connection.onTag = (tag) => heard.push(tag);
  const before = connection.client.query('select 1');
  await Promise.all([before, connection.together([{ text: 'begin' }, { text: 'rollback' }])]);
  await assert.rejects(connection.together([{ text: 'selec' }, { text: 'rollback' }]));
  await connection.client.query('select 1');
  connection.destroy();
  assert.deepEqual(heard, ['SELECT 1', 'SELECT 1']);
});
