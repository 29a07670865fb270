import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PoolClient } from 'pg';
import type { Branch } from '../../src/transactions/resource-manager.ts';
import { commit, postgresStory } from './postgres-story.ts';

const INSERT = 'insert into effects (number) values ($1)';
const NAMED = { name: 'insert', text: INSERT, values: [1] };

describe('a session of PostgreSQL that is made to forget its statements', () => {
  test('commits all the same when the server tells of it', async (t) => {
    const story = await postgresStory(t, { poolSize: 1 });
    if (story === undefined) return;
    for (const number of [1, 2]) {
      const branch = await story.begin();
      const db = branch.client as PoolClient;
      await db.query(INSERT, [number]);
      await db.query('deallocate all');
      await commit(branch);
    }
    assert.deepEqual(await story.database.numbers(), [1, 2]);
  });

  for (const [ending, end] of [
    ['commits or refuses', (branch: Branch) => branch.commitWithMarker().then(({ kind }) => kind)],
    ['rolls back', (branch: Branch) => branch.rollback().then(() => 'refused')],
  ] as const) {
    test(`${ending} where the server does not tell, and commits the next one`, async (t) => {
      const story = await postgresStory(t, { poolSize: 1 });
      if (story === undefined) return;
      await (await story.written(1)).commitWithMarker();
      const branch = await story.begin();
      await story.write(branch, 2);
      await story.query(branch, "do $$ begin execute 'deallocate all'; end $$");
      await branch.end();
      const outcome = await end(branch);
      assert.ok(outcome === 'committed' || outcome === 'refused', outcome);
      const numbers = outcome === 'committed' ? [1, 2] : [1];
      assert.deepEqual(await story.database.numbers(), numbers);
      assert.deepEqual(await (await story.written(3)).commitWithMarker(), { kind: 'committed' });
      assert.deepEqual(await story.database.numbers(), [...numbers, 3]);
    });
  }

  for (const sql of ['deallocate all', 'deallocate insert', 'discard plans; deallocate "insert"']) {
    test(`does not go to the next branch after '${sql}': its driver believes in names that are gone`, async (t) => {
      const story = await postgresStory(t, { poolSize: 1 });
      if (story === undefined) return;
      const branch = await story.begin();
      const db = branch.client as PoolClient;
      await db.query(NAMED);
      await db.query(sql);
      await commit(branch);
      const next = await story.begin();
      assert.notEqual(next.session, branch.session);
      await (next.client as PoolClient).query(NAMED);
      await commit(next);
      assert.deepEqual(await story.database.numbers(), [1, 1]);
    });
  }

  test('does not go on once a statement of the driver was not known there, whatever made it forget', async (t) => {
    const story = await postgresStory(t, { poolSize: 1 });
    if (story === undefined) return;
    const branch = await story.begin();
    await (branch.client as PoolClient).query(NAMED);
    await story.query(branch, "do $$ begin execute 'deallocate insert'; end $$");
    await commit(branch);
    const second = await story.begin();
    await assert.rejects((second.client as PoolClient).query(NAMED), { code: '26000' });
    await second.rollback();
    const third = await story.begin();
    await (third.client as PoolClient).query(NAMED);
    await commit(third);
    assert.deepEqual(await story.database.numbers(), [1, 1]);
  });

  test('keeps statements of ours under as many names as there are texts, however many commits fail', async (t) => {
    const story = await postgresStory(t, { poolSize: 1 });
    if (story === undefined) return;
    await story.database.query(
      'alter table effects add unique (number) deferrable initially deferred; insert into effects values (7)',
    );
    for (let attempt = 0; attempt < 5; attempt++)
      assert.equal((await (await story.written(7)).commitWithMarker()).kind, 'refused');
    const branch = await story.begin();
    const [kept] = await story.query(
      branch,
      "select count(*)::int as count from pg_prepared_statements where name like 'posthorn%'",
    );
    await branch.rollback();
    assert.ok(Number(kept?.count) <= 3, `it keeps ${kept?.count}: BEGIN, the marker and COMMIT are known to it`);
  });
});
