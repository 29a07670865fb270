import assert from 'node:assert/strict';
import { cpSync, lstatSync, rmSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { bothDatabases } from '../support/both-databases.ts';
import { posthorn as runPosthorn } from '../support/command-line.ts';
import { DatabaseStory, until } from '../support/database-story.ts';
import type { EffectsDatabase } from '../support/effects-database.ts';

const BEFORE = numbers(1, 60);
const AFTER = numbers(61, 160);
const ALL = [...BEFORE, ...AFTER];

/*
 * A store is copied, 100 more messages are handled, and the copy is put back: it holds these messages still, but the databases
 * have their work. The witness rows know.
 */
describe('when a store is put back from a backup', () => {
  const ways = [
    { title: 'one database, marker row', choose: ({ postgres }: Databases) => [postgres] },
    { title: 'the other database, marker row', choose: ({ mariadb }: Databases) => [mariadb] },
    { title: 'both databases, two-phase commit', choose: ({ all }: Databases) => all },
  ];
  for (const { title, choose } of ways) {
    test(`${title}: nothing is handled twice, the databases stand fenced and say why`, async (t) => {
      await using both = await bothDatabases(t);
      if (both === undefined) return;
      const databases = choose(both);
      await using story = await putBack(t, databases);
      const numbersAgain = story.numbersEndpoint(databases);
      await numbersAgain.endpoint.start();
      await story.put('numbers', 200);
      for (const database of databases) {
        const { name } = story.resource(database);
        await until(
          async () => (await resources(story)).some((each) => each.name === name && each.state === 'fenced'),
          async () => JSON.stringify(await resources(story)),
        );
      }
      for (const { sentence, sinceMs, mayBeHandledUpTo } of await resources(story)) {
        assert.match(sentence ?? '', /back in time|backup|copied/);
        assert.ok(sinceMs !== undefined && mayBeHandledUpTo !== undefined);
      }
      assert.deepEqual(await story.numbersIn('numbers'), [...AFTER, 200], 'all wait, the new one too');
      assert.equal(numbersAgain.attempts(), 0, 'no handler ran');
      for (const database of databases) assert.deepEqual(await database.numbers(), ALL, 'nothing is there twice');
    });

    test(`${title}: an operator sees which messages may have been handled, takes them out and accepts the store`, async (t) => {
      await using both = await bothDatabases(t);
      if (both === undefined) return;
      const databases = choose(both);
      await using story = await putBack(t, databases);
      const again = story.numbersEndpoint(databases);
      await again.endpoint.start();
      await story.put('numbers', 200);
      const names = databases.map((database) => story.resource(database).name);
      for (const name of names) {
        const list = await posthorn(story, 'transactions', 'list');
        assert.equal(list.exitCode, 1, list.stdout + list.stderr);
        assert.match(list.stdout, new RegExp(`${name}[\\s\\S]*100 `), 'it counts what may have been handled');
        const shown = await posthorn(story, 'transactions', 'show', name);
        assert.match(shown.stdout, /number 61\b/, 'and names it');
        assert.doesNotMatch(shown.stdout, /number 200\b/, 'what came later cannot have been');
      }
      const ids = AFTER.flatMap((number) => ['--id', `number ${number}`]);
      const purged = await posthorn(story, 'purge', 'numbers', '--yes', ...ids);
      assert.equal(purged.exitCode, 0, purged.stderr);
      for (const name of names) {
        const accepted = await posthorn(story, 'transactions', 'forget', name, '--reason', 'all looked up', '--yes');
        assert.equal(accepted.exitCode, 0, accepted.stderr);
      }
      await story.put('numbers', 201);
      for (const database of databases) await story.untilEffects(database, [...ALL, 200, 201]);
      await story.untilIn('numbers');
      assert.equal((await posthorn(story, 'transactions', 'list')).exitCode, 0);
    });
  }

  test('a backup that was taken while the queue manager ran is found out too, though it was opened once only', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    await using story = await putBack(t, both.all, { whileOpen: true });
    const again = story.numbersEndpoint(both.all);
    await again.endpoint.start();
    await until(
      async () => (await resources(story)).filter(({ state }) => state === 'fenced').length === 2,
      async () => JSON.stringify(await resources(story)),
    );
    assert.deepEqual(await story.numbersIn('numbers'), AFTER);
    assert.equal(again.attempts(), 0, 'no handler ran');
    for (const database of both.all) assert.deepEqual(await database.numbers(), ALL, 'nothing is there twice');
  });
});

type Databases = Awaited<ReturnType<typeof bothDatabases>> & object;

/** A story whose store has gone back by 100 messages; its endpoint does not run yet. */
async function putBack(
  t: TestContext,
  databases: readonly EffectsDatabase[],
  { whileOpen = false } = {},
): Promise<DatabaseStory> {
  const story = await DatabaseStory.begin();
  const backup = `${story.directory}-backup`;
  t.after(() => rmSync(backup, { recursive: true, force: true }));
  await story.put('numbers', ...BEFORE);
  await handleAll(story, databases, BEFORE);
  await story.put('numbers', ...AFTER);
  // Nothing runs now, so that the files fit together.
  if (!whileOpen) await story.close();
  cpSync(story.directory, backup, { recursive: true, filter: (path) => !lstatSync(path).isSocket() });
  if (!whileOpen) await story.open();
  await handleAll(story, databases, ALL);
  await story.close();
  rmSync(story.directory, { recursive: true });
  cpSync(backup, story.directory, { recursive: true });
  await story.open();
  return story;
}

async function handleAll(
  story: DatabaseStory,
  databases: readonly EffectsDatabase[],
  expected: readonly number[],
): Promise<void> {
  const { endpoint } = story.numbersEndpoint(databases);
  await endpoint.start();
  for (const database of databases) await story.untilEffects(database, expected);
  await story.untilIn('numbers');
  await endpoint.stop();
}

function posthorn(story: DatabaseStory, ...words: readonly string[]) {
  return runPosthorn([...words, '--directory', story.directory]);
}

async function resources({ manager }: DatabaseStory) {
  return (await manager.coordinator.list({})).resources;
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
