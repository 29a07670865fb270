import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { KINDS, REQUESTS } from '../support/both-databases.ts';
import { startFixture } from '../support/command-line.ts';
import { DatabaseStory, type Place, until } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';
import type { Caught } from '../support/fault-proxy.ts';

/** How recovery asks for the end of a session. */
const END_SESSION = { postgres: /pg_terminate_backend/i, mariadb: /\bkill\b/i };

describe('when a commit is on the wire while its process dies', { concurrency: true }, () => {
  for (const { kind, title, requireServer } of KINDS) {
    test(`it reaches ${title} after recovery has settled the transaction: nothing is doubled`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const { link, answered } = await dieWithCommitOnTheWire(t, story, database, 'insertMarker');
      // Recovery may not end the session before the commit comes.
      const ending = database.proxy.trap(END_SESSION[kind], 'request');
      const numbers = story.numbersEndpoint([database]);
      await numbers.endpoint.start();
      const caught = await ending;
      await story.untilIn('done', 1);
      assert.ok((await database.markers()).includes('a'), 'the abort row stands as long as the session does');
      link.letGo();
      await answered;
      caught.link.letGo();
      await story.untilAgreed([database], [1]);
      assert.equal(numbers.attempts(), 1);
      await until(
        async () => (await database.markers()).length === 0,
        async () => `marker rows: ${await database.markers()}`,
      );
    });

    test(`it stays on the way to ${title}, whose session waits for it with its locks: recovery ends that session`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const { link } = await dieWithCommitOnTheWire(t, story, database, 'commitWithMarker');
      const numbers = story.numbersEndpoint([database]);
      await numbers.endpoint.start();
      await story.untilAgreed([database], [1]);
      link.letGo();
      await story.untilAgreed([database], [1]);
      assert.equal(numbers.attempts(), 1);
    });

    test(`the way to ${title} is cut on the server's side: nothing is lost`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const { link } = await dieWithCommitOnTheWire(t, story, database, 'insertMarker');
      link.closeServer();
      const numbers = story.numbersEndpoint([database]);
      await numbers.endpoint.start();
      await story.untilAgreed([database], [1]);
      link.letGo();
      await story.untilAgreed([database], [1]);
      assert.equal(numbers.attempts(), 1);
    });

    test(`it reaches ${title} before recovery asks: the message is not handled again`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const { link } = await dieWithCommitOnTheWire(t, story, database, 'commitWithMarker');
      link.letGo();
      await story.untilEffects(database, [1]);
      const numbers = story.numbersEndpoint([database]);
      await numbers.endpoint.start();
      await story.untilAgreed([database], [1]);
      assert.equal(numbers.attempts(), 0);
    });
  }
});

/** Message 1 is handled by a process that is killed while the proxy keeps back its last request, or its marker already. */
async function dieWithCommitOnTheWire(
  t: TestContext,
  story: DatabaseStory,
  database: EffectsDatabase,
  kept: 'insertMarker' | 'commitWithMarker',
): Promise<Caught> {
  await story.put('numbers', 1);
  await story.close();
  const caught = database.proxy.trap(REQUESTS[database.kind][kept], 'request');
  const places: Place[] = [{ kind: database.kind, url: database.url }];
  const host = startFixture('numbers-host.ts', [story.directory, JSON.stringify(places)]);
  t.after(() => host.process.kill('SIGKILL'));
  const held = await caught;
  const ended = once(host.process, 'close');
  host.process.kill('SIGKILL');
  await ended;
  await story.open();
  return held;
}
