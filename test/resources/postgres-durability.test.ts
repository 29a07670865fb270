import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { postgresStory } from './postgres-story.ts';
import type { ResourceStory } from './resource-story.ts';

const INSERT = 'insert into effects (number) values (1)';

/** Notes the setting when deferred constraints are checked, which is what commits and votes begin with. */
const NOTE_THE_SETTING = `
  create table noted (setting text);
  create function note() returns trigger language plpgsql as
    $$ begin insert into noted values (current_setting('synchronous_commit')); return null; end $$;
  create constraint trigger note after insert on effects
    deferrable initially deferred for each row execute function note();
  create function weaken() returns text language sql as $$ select set_config('synchronous_commit', 'off', true) $$`;

const ENDINGS = {
  'a commit with a marker': async (story: ResourceStory, sql: string) => {
    const branch = await writing(story, sql);
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
  },
  'a vote': async (story: ResourceStory, sql: string) => {
    const branch = await writing(story, sql);
    assert.deepEqual(await branch.prepare(), { kind: 'yes' });
    assert.equal((await branch.finish('commit')).kind, 'done');
  },
} as const;

async function writing(story: ResourceStory, sql: string) {
  const branch = await story.begin();
  await story.query(branch, INSERT);
  await story.query(branch, sql);
  await branch.end();
  return branch;
}

async function setup(t: TestContext): Promise<ResourceStory | undefined> {
  const story = await postgresStory(t, { poolSize: 1 });
  await story?.database.query(NOTE_THE_SETTING);
  return story;
}

for (const [ending, end] of Object.entries(ENDINGS)) {
  describe(`${ending} on PostgreSQL`, () => {
    for (const [how, sql] of [
      ['a statement', 'set local synchronous_commit = off'],
      ['set_config', "select set_config('synchronous_commit', 'off', true)"],
      ['a block', 'do $$ begin set local synchronous_commit = local; end $$'],
      ['a function', 'select weaken()'],
      ['a setting of the session', 'set synchronous_commit = local'],
    ] as const) {
      test(`waits for the disk though ${how} of the handler said otherwise`, async (t) => {
        const story = await setup(t);
        if (story === undefined) return;
        await end(story, sql);
        assert.deepEqual(await story.database.query('select setting from noted'), [{ setting: 'on' }]);
      });
    }

    for (const setting of ['remote_write', 'remote_apply']) {
      test(`leaves ${setting} as the handler has set it`, async (t) => {
        const story = await setup(t);
        if (story === undefined) return;
        await end(story, `set local synchronous_commit = ${setting}`);
        assert.deepEqual(await story.database.query('select setting from noted'), [{ setting }]);
      });
    }
  });
}

describe('sessions of PostgreSQL', () => {
  for (const setting of ['off', 'local']) {
    test(`wait for the disk where the database says ${setting}: the handlers’ and recovery’s`, async (t) => {
      const story = await setup(t);
      if (story === undefined) return;
      await story.database.query(
        `do $$ begin execute format('alter database %I set synchronous_commit = ${setting}', current_database()); end $$;
         create trigger note after insert on posthorn_marker for each row execute function note()`,
      );
      await story.resource.close();
      const branch = await story.begin();
      assert.deepEqual(await story.query(branch, 'show synchronous_commit'), [{ synchronous_commit: 'on' }]);
      await branch.rollback();
      assert.deepEqual(await story.resource.recovery.fence(story.transactionId()), { kind: 'inserted' });
      assert.deepEqual(await story.database.query('select setting from noted'), [{ setting: 'on' }]);
    });
  }
});
