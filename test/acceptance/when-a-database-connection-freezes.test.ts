import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bothDatabases, KINDS, REQUESTS } from '../support/both-databases.ts';
import { DatabaseStory, next } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';

/** The server is well, and the connection dead without a sign: nothing says so but the second look. */
describe('when a connection to a database freezes', { concurrency: true }, () => {
  for (const { kind, title, requireServer } of KINDS) {
    for (const hold of ['request', 'answer'] as const) {
      test(`a statement whose ${hold} is lost on the way to ${title} fails, and the message is handled again`, async (t) => {
        const server = requireServer(t);
        if (server === undefined) return;
        await using database = await EffectsDatabase.make(server);
        await using story = await DatabaseStory.begin();
        const numbers = story.numbersEndpoint([database]);
        await numbers.endpoint.start();
        const caught = database.proxy.trap(/insert into effects/i, hold);
        const failed = next(numbers, 'immediateRetry');
        await story.put('numbers', 1);
        (await caught).link.freeze();
        assert.equal(((await failed).error as { code?: unknown }).code, 'REQUEST_TIMED_OUT');
        await story.untilAgreed([database], [1]);
        assert.equal(numbers.attempts(), 2);
      });
    }

    test(`the marker and commit whose answer never comes from ${title} is found committed`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const numbers = story.numbersEndpoint([database]);
      await numbers.endpoint.start();
      const caught = database.proxy.trap(REQUESTS[kind].commitWithMarker, 'answer');
      await story.put('numbers', 1);
      (await caught).link.freeze();
      await story.untilAgreed([database], [1]);
      assert.equal(numbers.attempts(), 1);
    });

    test(`a prepare that ${title} never answers counts as a no, and a commit of a branch is asked again`, async (t) => {
      await using both = await bothDatabases(t);
      if (both === undefined) return;
      await using story = await DatabaseStory.begin();
      const numbers = story.numbersEndpoint(both.all);
      await numbers.endpoint.start();
      const prepare = both[kind].proxy.trap(REQUESTS[kind].prepare, 'answer');
      const finish = both[kind].proxy.trap(REQUESTS[kind].finish, 'answer');
      await story.put('numbers', 1);
      (await prepare).link.freeze();
      (await finish).link.freeze();
      await story.untilAgreed(both.all, [1]);
      assert.equal(numbers.attempts(), 2);
    });
  }
});
