import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KINDS, REQUESTS } from '../support/both-databases.ts';
import { next } from '../support/database-story.ts';
import { numbersAtWork } from '../support/numbers-at-work.ts';

const WISH = { reason: 'ticket 4711', by: 'test' };

describe("when Posthorn's table in a database is dropped", { concurrency: true }, () => {
  for (const { kind, title } of KINDS) {
    test(`${title} is fenced while a commit is in doubt there, and its message takes effect once`, async (t) => {
      await using work = await numbersAtWork(t, kind);
      if (work === undefined) return;
      const { story, databases, proxyOf } = work;
      const [database] = databases;
      const caught = proxyOf(kind).trap(REQUESTS[kind].commitWithMarker, 'answer');
      await story.put('numbers', 1);
      await (await caught).answered;
      proxyOf(kind).freeze();
      await story.close();
      proxyOf(kind).thaw();
      await database?.query('drop table posthorn_marker');
      await story.open();
      const { endpoint } = story.numbersEndpoint(databases);
      await endpoint.start();
      const { coordinator } = story.manager;
      const { resources, transactions } = await coordinator.list({});
      assert.match(resources[0]?.sentence ?? '', /posthorn_marker is gone/);
      assert.deepEqual(
        transactions.map(({ messageId }) => messageId),
        ['number 1'],
      );
      await coordinator.act({ ...WISH, action: 'commit', id: transactions[0]?.id ?? '' });
      await coordinator.act({ ...WISH, action: 'forget', id: resources[0]?.name ?? '' });
      await story.put('numbers', 2);
      await story.untilAgreed(databases, [1, 2]);
    });
  }

  test('a handler hears that the table is gone, and what to do about it', async (t) => {
    await using work = await numbersAtWork(t, 'postgres');
    if (work === undefined) return;
    const { story, numbers, databases } = work;
    await databases[0]?.query('drop table posthorn_marker');
    const failed = next(numbers, 'immediateRetry');
    await story.put('numbers', 1);
    const { message } = (await failed).error;
    assert.match(message, /^Posthorn's tables were there in database 'orders', and are gone/);
    assert.match(message, /Start its endpoints again/);
  });
});
