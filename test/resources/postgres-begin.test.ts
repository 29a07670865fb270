import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PoolClient } from 'pg';
import type { PostgresBranch } from '../../src/resources/postgres/postgres-branch.ts';
import type { PostgresConnection } from '../../src/resources/postgres/postgres-connection.ts';
import { beginOn, branchDoors, postgresStory } from './postgres-story.ts';

const INSERT = 'insert into effects (number) values ($1)';

describe('the transaction of a branch on PostgreSQL', () => {
  for (const [sql, setting, value] of [
    ['set transaction isolation level serializable', 'transaction_isolation', 'serializable'],
    ['set transaction read only', 'transaction_read_only', 'on'],
    ['set transaction deferrable', 'transaction_deferrable', 'on'],
  ] as const) {
    test(`takes '${sql}' as its first statement`, async (t) => {
      const story = await postgresStory(t);
      if (story === undefined) return;
      const branch = await story.begin();
      await story.query(branch, sql);
      assert.deepEqual(await story.query(branch, `show ${setting}`), [{ [setting]: value }]);
      await branch.rollback();
    });
  }

  test('takes the snapshot of another one as its first statement', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    await using other = await story.database.session();
    await other.query('begin isolation level repeatable read');
    const [row] = await other.query('select pg_export_snapshot() as snapshot');
    await story.database.query('insert into effects (number) values (1)');
    const branch = await story.begin({ isolationLevel: 'repeatable read' });
    await story.query(branch, `set transaction snapshot '${row?.snapshot}'`);
    assert.deepEqual(await story.query(branch, 'select number from effects'), []);
    await branch.rollback();
  });

  test('sees what was committed before its first statement, though it was begun earlier', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const branch = (await story.begin({ isolationLevel: 'repeatable read' })) as PostgresBranch;
    await branch.begin();
    await story.database.query('insert into effects (number) values (1)');
    assert.deepEqual(await story.query(branch, 'select number from effects'), [{ number: 1 }]);
    await story.database.query('insert into effects (number) values (2)');
    assert.deepEqual(await story.query(branch, 'select number from effects'), [{ number: 1 }]);
    await branch.rollback();
  });

  test('carries its id as a setting', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const branch = await story.begin();
    const [row] = await story.query(branch, "select current_setting('posthorn.transaction') as id");
    assert.equal(row?.id, branch.id.transaction);
    await branch.rollback();
  });

  for (const [how, ask] of [
    ['a promise', (db: PoolClient) => db.query('select 1 / $1::int', [0]).catch(() => undefined)],
    ['a callback', (db: PoolClient) => new Promise<void>((done) => db.query('select 1 / $1::int', [0], () => done()))],
  ] as const) {
    test(`has failed with its first statement, told by ${how}, before the server is ready again`, async (t) => {
      const story = await postgresStory(t);
      if (story === undefined) return;
      const { branch, connection, db } = await beginOn(story, branchDoors(t, story, { statementErrors: 'handled' }));
      const letReady = holdReady(connection);
      await ask(db);
      assert.equal(db.getTransactionStatus(), 'E');
      await assert.rejects(
        branch.end(),
        ({ code, cause }: { readonly code: string; readonly cause: { readonly code: string } }) =>
          code === 'BRANCH_DOOMED' && cause.code === '22012',
      );
      letReady();
      await branch.rollback();
    });
  }

  test('goes on after an error that its handler deals with', async (t) => {
    const story = await postgresStory(t, { statementErrors: 'handled' });
    if (story === undefined) return;
    const branch = await story.begin();
    const db = branch.client as PoolClient;
    await db.query('savepoint a');
    await assert.rejects(db.query('select 1 / $1::int', [0]), { code: '22012' });
    assert.equal(db.getTransactionStatus(), 'E');
    await db.query('rollback to a');
    assert.equal(db.getTransactionStatus(), 'T');
    await db.query(INSERT, [1]);
    assert.deepEqual(await branch.end(), { hasWritten: true });
    await branch.rollback();
  });
});

/** What the server says last comes later than the rest, as it may on the way. */
function holdReady({ client: { connection } }: PostgresConnection): () => void {
  const listeners = connection.listeners('readyForQuery') as (() => void)[];
  connection.removeAllListeners('readyForQuery');
  const held: unknown[] = [];
  connection.on('readyForQuery', (message) => held.push(message));
  return () => {
    connection.removeAllListeners('readyForQuery');
    for (const listener of listeners) connection.on('readyForQuery', listener);
    for (const message of held) connection.emit('readyForQuery', message);
  };
}
