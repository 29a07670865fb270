import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { bothDatabases } from '../support/both-databases.ts';
import { DatabaseStory, until } from '../support/database-story.ts';

describe('when others have prepared branches in a database', () => {
  test('fault 78: a branch of another tool, or with a name like ours, is listed as foreign and never touched', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    const mark = randomUUID();
    // The second looks like ours, but for one field that is too short.
    const names = [`another tool ${mark}`, `P1.${'a'.repeat(26)}.aaaaaaaa.aaaaaa.${mark.slice(0, 12)}`];
    const { postgres, mariadb } = both;
    for (const [index, name] of names.entries()) {
      await using onPostgres = await postgres.session();
      await onPostgres.query('begin');
      await onPostgres.query(`insert into effects values (${100 + index})`);
      await onPostgres.query(`prepare transaction '${name}'`);
      await using onMariadb = await mariadb.session();
      await onMariadb.query(`xa start '${name}'`);
      await onMariadb.query(`insert into effects values (${100 + index})`);
      await onMariadb.query(`xa end '${name}'`);
      await onMariadb.query(`xa prepare '${name}'`);
    }
    {
      await using story = await DatabaseStory.begin();
      const first = story.numbersEndpoint(both.all);
      await first.endpoint.start();
      await story.put('numbers', 1, 2, 3);
      await story.untilIn('done', 1, 2, 3);
      // What a start finds prepared is settled by it.
      await story.close();
      await story.open();
      await story.numbersEndpoint(both.all).endpoint.start();
      const foreign = async (): Promise<string[]> => {
        const { transactions } = await story.manager.coordinator.list({ state: 'foreign' });
        return transactions.flatMap(({ id, branches }) => branches.map(({ resource }) => `${resource} ${id}`));
      };
      const isListed = async (): Promise<boolean> => {
        const listed = await foreign();
        return ['orders', 'stock'].every((resource) =>
          names.every((name) => listed.some((each) => each.startsWith(resource) && each.includes(name))),
        );
      };
      await until(isListed, async () => `listed: ${await foreign()}`);
      for (const database of both.all) assert.deepEqual(await database.numbers(), [1, 2, 3]);
    }
    for (const name of names) {
      assert.equal((await postgres.prepared(name)).length, 1, name);
      assert.equal((await mariadb.prepared(name)).length, 1, name);
      await postgres.query(`rollback prepared '${name}'`);
      await mariadb.query(`xa rollback '${name}'`);
    }
  });
});
