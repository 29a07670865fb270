import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { PoolClient } from 'pg';
import type { PosthornError } from '../../src/message/posthorn-error.ts';
import { postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import { beginOn, branchDoors, postgresStory } from './postgres-story.ts';

describe('what is told of a PostgreSQL transaction that cannot commit', () => {
  test('once the loss of its connection is noticed, statements and the end say so', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const { branch, connection } = await beginOn(story, branchDoors(t, story));
    const client = branch.client as PoolClient;
    await client.query('insert into effects (number) values (1)');
    const gone = new Promise<void>((resolve) => connection.onGone(resolve));
    await story.resource.recovery.endSession(branch.session);
    await gone;
    const lost = { code: 'RESOURCE_UNAVAILABLE', message: /^Database 'orders' .*the connection was lost/ };
    await assert.rejects(async () => client.query('select 1'), lost);
    await assert.rejects(branch.end(), lost);
    await branch.rollback();
  });

  test('a connection that is lost while nothing was asked of it costs nothing', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const unused = await story.begin();
    await story.resource.recovery.endSession(unused.session);
    assert.deepEqual(await unused.end(), { hasWritten: false });
    await unused.commitReadOnly();
  });

  test('without the right to write the marker row, the table and the grant', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    const role = `posthorn_${randomBytes(6).toString('hex')}`;
    await story.database.query(`create role ${role} login password 'guest'`);
    await story.database.query(`grant insert on effects to ${role}`);
    const connectionString = Object.assign(new URL(story.database.url), { username: role, password: 'guest' }).href;
    const { resourceManager } = postgresResource({ name: 'orders', connectionString });
    t.after(() => resourceManager.close());
    const id = { transaction: story.transactionId(), qualifier: 'aaaaaaaaaaaaa.aa' };
    const branch = await resourceManager.begin({ id, isolationLevel: 'read committed', idleMsMax: 60_000 });
    await story.query(branch, 'insert into effects (number) values (1)');
    await branch.end();
    const answer = await branch.commitWithMarker();
    assert.equal(answer.kind, 'refused');
    const { code, what, mend } = ('error' in answer ? answer.error : undefined) as PosthornError;
    assert.equal(code, 'RESOURCE_UNFIT');
    assert.match(what, /'orders'.* its login 'posthorn_.*' may not write posthorn_marker \(permission denied/);
    assert.equal(
      mend,
      `Run there: grant select, insert, update, delete on posthorn_marker, posthorn_witness to "${role}";`,
    );
    await story.database.query(`drop owned by ${role}`);
    await story.database.query(`drop role ${role}`);
  });
});
