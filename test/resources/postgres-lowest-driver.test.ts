import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { describe, type TestContext, test } from 'node:test';
import type pg from 'pg';
import type { PoolClient } from 'pg';
import { PostgresConnection } from '../../src/resources/postgres/postgres-connection.ts';
import { readRepositoryFile } from '../../tools/repository-files.ts';
import { beginOn, branchDoors, commit, postgresStory } from './postgres-story.ts';
import type { ResourceStory } from './resource-story.ts';

const require = createRequire(import.meta.url);
/** Its types are those of the newest one, as far as they are used here. */
const lowest: typeof pg = require('pg-lowest');

const INSERT = 'insert into effects (number) values ($1)';
const QUERY_MS = 300;

async function setup(t: TestContext) {
  const story = await postgresStory(t);
  return story === undefined ? undefined : { story, doors: branchDoors(t, story, { open: () => connect(story) }) };
}

async function connect(story: ResourceStory): Promise<PostgresConnection> {
  const client = new lowest.Client(story.database.url);
  await client.connect();
  return new PostgresConnection(client, { session: '1.1', versionNumber: 0, version: '' });
}

describe('the lowest version of pg that may be installed', () => {
  test('is the one that these stories run on', () => {
    const { peerDependencies } = JSON.parse(readRepositoryFile('package.json'));
    assert.equal(peerDependencies.pg, `^${require('pg-lowest/package.json').version}`);
  });

  test('takes all forms of query, first and later ones, and commits', async (t) => {
    const { story, doors } = (await setup(t)) ?? {};
    if (story === undefined || doors === undefined) return;
    const forms: readonly ((db: PoolClient) => Promise<unknown>)[] = [
      (db) => db.query(INSERT, [1]),
      (db) => db.query({ name: 'insert', text: INSERT, values: [1] }),
      (db) => new Promise((resolve) => db.query(INSERT, [1], resolve)),
      (db) => once(db.query(new lowest.Query(INSERT, [1])), 'end'),
    ];
    for (const first of forms) {
      const { branch, db } = await beginOn(story, doors);
      await first(db);
      for (const later of forms) await later(db);
      assert.equal(db.getTransactionStatus(), 'T');
      await commit(branch);
    }
    assert.equal((await story.database.numbers()).length, forms.length * (forms.length + 1));
    assert.equal(doors.opened.length, 1);
  });

  test('prepares, and finishes what is prepared', async (t) => {
    const { story, doors } = (await setup(t)) ?? {};
    if (story === undefined || doors === undefined) return;
    const { branch, db } = await beginOn(story, doors);
    await db.query(INSERT, [1]);
    await branch.end();
    assert.deepEqual(await branch.prepare(), { kind: 'yes' });
    assert.equal((await branch.finish('commit')).kind, 'done');
    assert.deepEqual(await story.database.numbers(), [1]);
  });

  for (const [step, pattern] of [
    ['the first statement', /insert into effects/],
    ['the commit', /posthorn_marker/],
  ] as const) {
    test(`outlives a time for all queries that is over at ${step}`, async (t) => {
      lowest.defaults.query_timeout = QUERY_MS;
      t.after(() => {
        lowest.defaults.query_timeout = 0;
      });
      const { story, doors } = (await setup(t)) ?? {};
      if (story === undefined || doors === undefined) return;
      const { branch, db } = await beginOn(story, doors);
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const caught = story.database.proxy.trap(pattern, 'answer');
      const told = db.query(INSERT, [1]).then(
        async () => {
          await branch.end();
          return await branch.commitWithMarker();
        },
        (error: unknown) => ({ error }),
      );
      const { link, answered } = await caught;
      await answered;
      t.mock.timers.tick(QUERY_MS);
      assert.match(String(((await told) as { readonly error?: unknown }).error), /Query read timeout/);
      link.letGo();
      await branch.rollback();
    });
  }
});
