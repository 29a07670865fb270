import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { PoolClient } from 'pg';
import { beginOn, branchDoors, commit, postgresStory } from './postgres-story.ts';
import type { ResourceStory } from './resource-story.ts';

const INSERT = 'insert into effects (number) values ($1)';
const INSERTS = /insert into effects/;
/** Without values, so that BEGIN goes before it. */
const PLAIN = 'insert into effects (number) values (1)';
const BEGINS = /begin isolation/;

/** The pool has one place, and in it a connection that was used a moment ago. */
async function setup(t: TestContext): Promise<ResourceStory | undefined> {
  const story = await postgresStory(t, { poolSize: 1 });
  if (story === undefined) return undefined;
  await (await story.begin()).rollback();
  return story;
}

describe('a connection to PostgreSQL that breaks before BEGIN is answered', () => {
  for (const lost of ['request', 'answer'] as const) {
    test(`is replaced when it was used before, and the first statement is there once; lost: the ${lost}`, async (t) => {
      const story = await setup(t);
      if (story === undefined) return;
      const branch = await story.begin();
      const { session } = branch;
      const caught = story.database.proxy.trap(BEGINS, lost);
      const asked = (branch.client as PoolClient).query(PLAIN);
      const second = (branch.client as PoolClient).query(INSERT, [2]);
      const { link, answered } = await caught;
      if (lost === 'answer') await answered;
      link.closeClient();
      assert.equal((await asked).rowCount, 1);
      assert.equal((await second).rowCount, 1);
      assert.notEqual(branch.session, session);
      link.letGo();
      await commit(branch);
      assert.deepEqual(await story.database.numbers(), [1, 2]);
    });

    test(`is told when the statement that went along may have arrived; lost: the ${lost}`, async (t) => {
      const story = await setup(t);
      if (story === undefined) return;
      const branch = await story.begin();
      const { session } = branch;
      const caught = story.database.proxy.trap(INSERTS, lost);
      const db = branch.client as PoolClient;
      const told = Promise.allSettled([db.query(INSERT, [1]), db.query(INSERT, [2])]);
      const { link, answered } = await caught;
      if (lost === 'answer') await answered;
      link.closeClient();
      assert.deepEqual(
        (await told).map(({ status }) => status),
        ['rejected', 'rejected'],
      );
      await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
      await branch.rollback();
      link.letGo();
      await story.resource.recovery.endSession(session);
      assert.deepEqual(await story.database.numbers(), []);
    });
  }

  test('is replaced when it was fresh as it was taken, and silent for long as the first statement is sent', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const doors = branchDoors(t, story);
    await (await beginOn(story, doors)).branch.rollback();
    const { branch, connection, db } = await beginOn(story, doors);
    connection.heardMs -= 60_000;
    const caught = story.database.proxy.trap(BEGINS, 'request');
    const asked = db.query(INSERT, [1]);
    (await caught).link.cut();
    assert.equal((await asked).rowCount, 1);
    await commit(branch);
    assert.deepEqual([doors.opened.length, await story.database.numbers()], [2, [1]]);
  });

  for (const [form, sql, values] of [
    ['with values', INSERT, [1]],
    ['without values', PLAIN, undefined],
  ] as const) {
    test(`is replaced when it is known to be gone before the first statement is sent, one ${form}`, async (t) => {
      const story = await postgresStory(t);
      if (story === undefined) return;
      const doors = branchDoors(t, story);
      await (await beginOn(story, doors)).branch.rollback();
      const { branch, connection, db } = await beginOn(story, doors);
      await story.resource.recovery.endSession(connection.session);
      await new Promise<void>((resolve) => connection.onGone(resolve));
      assert.equal((await db.query(sql, values?.slice())).rowCount, 1);
      await commit(branch);
      assert.deepEqual([doors.opened.length, await story.database.numbers()], [2, [1]]);
    });
  }

  test('is replaced once: what breaks then is told, and nothing is there', async (t) => {
    const story = await setup(t);
    if (story === undefined) return;
    const branch = await story.begin();
    const db = branch.client as PoolClient;
    const caught = story.database.proxy.trap(BEGINS, 'request');
    const told = Promise.allSettled([db.query(PLAIN), db.query(INSERT, [2])]);
    (await caught).link.cut();
    const again = await Promise.race([story.database.proxy.trap(BEGINS, 'request'), told]);
    assert.ok('link' in again, 'it was asked once more');
    again.link.cut();
    assert.deepEqual(
      (await told).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
    await branch.rollback();
    await commit(await writing(story, 3));
    assert.deepEqual(await story.database.numbers(), [3]);
  });

  test('is told when it is a new one', async (t) => {
    const story = await postgresStory(t, { poolSize: 1 });
    if (story === undefined) return;
    const branch = await story.begin();
    const caught = story.database.proxy.trap(BEGINS, 'request');
    const told = assert.rejects((branch.client as PoolClient).query(PLAIN));
    (await caught).link.cut();
    await told;
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('is not replaced once BEGIN was answered', async (t) => {
    const story = await setup(t);
    if (story === undefined) return;
    const branch = await writing(story, 1);
    const caught = story.database.proxy.trap(INSERTS, 'request');
    const told = assert.rejects((branch.client as PoolClient).query(INSERT, [2]));
    (await caught).link.cut();
    await told;
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('is not replaced any more when the branch is over: nothing is begun, and the place is free', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const doors = branchDoors(t, story);
    await (await beginOn(story, doors)).branch.rollback();
    const { branch, db } = await beginOn(story, doors);
    const { proxy } = story.database;
    const caught = proxy.trap(BEGINS, 'request');
    const told = assert.rejects(db.query(PLAIN));
    const { link } = await caught;
    const login = proxy.trap(/posthorn orders/, 'answer');
    link.cut();
    const replacing = await login;
    await assert.rejects(branch.end(), { code: 'STATEMENT_STILL_RUNNING' });
    await branch.rollback();
    replacing.link.letGo();
    await told;
    const next = await doors.pool.acquire({ timeoutMs: 3000 });
    assert.equal(next.transactionStatus, 'I');
    assert.deepEqual(await next.rows('select number from effects'), []);
  });

  test('takes along who listens to its client', async (t) => {
    const story = await setup(t);
    if (story === undefined) return;
    const branch = await story.begin();
    const db = branch.client as PoolClient;
    const notices: unknown[] = [];
    db.on('notice', ({ message }) => notices.push(message));
    const caught = story.database.proxy.trap(BEGINS, 'request');
    const asked = db.query(PLAIN);
    (await caught).link.cut();
    await asked;
    await db.query("do $$ begin raise notice 'heard'; end $$");
    await branch.rollback();
    assert.deepEqual(notices, ['heard']);
  });

  test('leaves the second attempt watched as the first one was', { timeout: 10_000 }, async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const doors = branchDoors(t, story, { lookAfterMs: 500, look: async () => 'absent' });
    await (await beginOn(story, doors)).branch.rollback();
    const { branch, db } = await beginOn(story, doors);
    const { proxy } = story.database;
    const caught = proxy.trap(BEGINS, 'answer');
    const told = assert.rejects(db.query(PLAIN), { code: 'REQUEST_TIMED_OUT' });
    await caught;
    await proxy.trap(INSERTS, 'answer');
    await told;
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });
});

async function writing(story: ResourceStory, number: number) {
  const branch = await story.begin();
  await (branch.client as PoolClient).query(INSERT, [number]);
  return branch;
}
