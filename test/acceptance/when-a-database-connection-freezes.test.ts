import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KINDS, REQUESTS } from '../support/both-databases.ts';
import { next } from '../support/database-story.ts';
import { numbersAtWork } from '../support/numbers-at-work.ts';

/** The server is well, and the connection dead without a sign: nothing says so but the second look. */
describe('when a connection to a database freezes', { concurrency: true }, () => {
  for (const { kind, title } of KINDS) {
    for (const hold of ['request', 'answer'] as const) {
      test(`a statement whose ${hold} is lost on the way to ${title} fails, and the message is handled again`, async (t) => {
        await using work = await numbersAtWork(t, kind);
        if (work === undefined) return;
        const { story, numbers, databases } = work;
        const caught = work.proxyOf(kind).trap(/insert into effects/i, hold);
        const failed = next(numbers, 'immediateRetry');
        await story.put('numbers', 1);
        (await caught).link.freeze();
        assert.equal(((await failed).error as { code?: unknown }).code, 'REQUEST_TIMED_OUT');
        await story.untilAgreed(databases, [1]);
        assert.equal(numbers.attempts(), 2);
      });
    }

    test(`the marker and commit whose answer never comes from ${title} is found committed`, async (t) => {
      await using work = await numbersAtWork(t, kind);
      if (work === undefined) return;
      const { story, numbers, databases } = work;
      const caught = work.proxyOf(kind).trap(REQUESTS[kind].commitWithMarker, 'answer');
      await story.put('numbers', 1);
      (await caught).link.freeze();
      await story.untilAgreed(databases, [1]);
      assert.equal(numbers.attempts(), 1);
    });

    test(`a prepare that ${title} never answers counts as a no, and a commit of a branch is asked again`, async (t) => {
      await using work = await numbersAtWork(t, 'postgres', 'mariadb');
      if (work === undefined) return;
      const { story, numbers, databases } = work;
      const prepare = work.proxyOf(kind).trap(REQUESTS[kind].prepare, 'answer');
      const finish = work.proxyOf(kind).trap(REQUESTS[kind].finish, 'answer');
      await story.put('numbers', 1);
      (await prepare).link.freeze();
      (await finish).link.freeze();
      await story.untilAgreed(databases, [1]);
      assert.equal(numbers.attempts(), 2);
    });
  }
});
