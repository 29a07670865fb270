import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isPosthornError } from '../../src/message/posthorn-error.ts';
import { KINDS, REQUESTS } from '../support/both-databases.ts';
import { DatabaseStory, next } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';
import { numbersAtWork } from '../support/numbers-at-work.ts';

describe('when the connection to a database breaks while it is asked', { concurrency: true }, () => {
  for (const { kind, title } of KINDS) {
    test(`fault 71: the answer of ${title} to a prepare is lost: it counts as a no, and the branch is rolled back`, async (t) => {
      await using work = await numbersAtWork(t, 'postgres', 'mariadb');
      if (work === undefined) return;
      const { story, numbers, databases } = work;
      const caught = work.proxyOf(kind).trap(REQUESTS[kind].prepare, 'answer');
      const failed = next(numbers, 'immediateRetry');
      await story.put('numbers', 1);
      const { link, answered } = await caught;
      await answered;
      link.cut();
      await failed;
      await story.untilAgreed(databases, [1]);
      assert.equal(numbers.attempts(), 2);
    });

    test(`fault 71: a prepare that reaches ${title} after it counted as a no leaves no branch behind`, async (t) => {
      await using work = await numbersAtWork(t, 'postgres', 'mariadb');
      if (work === undefined) return;
      const { story, numbers, databases } = work;
      const caught = work.proxyOf(kind).trap(REQUESTS[kind].prepare, 'request');
      const failed = next(numbers, 'immediateRetry');
      await story.put('numbers', 1);
      const { link } = await caught;
      link.closeClient();
      await failed;
      link.letGo();
      await story.untilAgreed(databases, [1]);
      assert.equal(numbers.attempts(), 2);
    });

    test(`fault 72: the connection to ${title} breaks during the commit of a prepared branch: it stays decided, and is finished`, async (t) => {
      await using work = await numbersAtWork(t, 'postgres', 'mariadb');
      if (work === undefined) return;
      const { story, numbers, databases } = work;
      const cutWhile = async (number: number, hold: 'request' | 'answer'): Promise<void> => {
        const caught = work.proxyOf(kind).trap(REQUESTS[kind].finish, hold);
        await story.put('numbers', number);
        const { link, answered } = await caught;
        if (hold === 'answer') await answered;
        link.cut();
      };
      await cutWhile(1, 'request');
      await story.untilAgreed(databases, [1]);
      await cutWhile(2, 'answer');
      await story.untilAgreed(databases, [1, 2]);
      assert.equal(numbers.attempts(), 2, 'what is decided is not handled again');
    });
  }

  for (const { kind, title } of KINDS) {
    test(`the answer of ${title} to the marker and the commit is lost: it is found there, and nothing is handled again`, async (t) => {
      await using work = await numbersAtWork(t, kind);
      if (work === undefined) return;
      const { story, numbers, databases } = work;
      const caught = work.proxyOf(kind).trap(REQUESTS[kind].commitWithMarker, 'answer');
      const handled = next(numbers, 'handled');
      await story.put('numbers', 1);
      const { link, answered } = await caught;
      await answered;
      link.cut();
      await handled;
      await story.untilAgreed(databases, [1]);
      assert.equal(numbers.attempts(), 1);
    });

    test(`the marker and the commit never reach ${title}: an abort row keeps them out, and the message is handled again`, async (t) => {
      await using work = await numbersAtWork(t, kind);
      if (work === undefined) return;
      const { story, numbers, databases } = work;
      const caught = work.proxyOf(kind).trap(REQUESTS[kind].insertMarker, 'request');
      const failed = next(numbers, 'immediateRetry');
      await story.put('numbers', 1);
      const { link } = await caught;
      link.cut();
      await failed;
      await story.untilAgreed(databases, [1]);
      assert.equal(numbers.attempts(), 2);
    });
  }

  for (const { kind, title, requireServer } of KINDS) {
    test(`an administrator ends a handler's session in ${title} between two steps: that is told, and the message is handled again`, async (t) => {
      const server = requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      const stock = story.resource(database);
      const orders = story.endpoint('orders', { resources: [stock] });
      let attempts = 0;
      orders.handle('Number', async (_, context) => {
        await stock.query('insert into effects values (1)');
        await context.send('Number', { number: 1 }, { to: 'done' });
        if (++attempts > 1) return;
        const [session] = await stock.query(SESSION_NUMBER[kind]);
        await database.query(END_SESSION[kind](Number(session?.number)));
      });
      const failed = new Promise<Error>((resolve) => orders.on('immediateRetry', ({ error }) => resolve(error)));
      await orders.start();
      await story.put('orders', 1);
      const error = await failed;
      assert.ok(isPosthornError(error, 'RESOURCE_UNAVAILABLE'), String(error));
      assert.ok(error.what.includes(`'${stock.name}'`), error.what);
      await story.untilAgreed([database], [1]);
      assert.equal(attempts, 2);
    });
  }
});

const SESSION_NUMBER = {
  postgres: 'select pg_backend_pid() as number',
  mariadb: 'select connection_id() as number',
} as const;

const END_SESSION = {
  postgres: (number: number) => `select pg_terminate_backend(${number})`,
  mariadb: (number: number) => `kill ${number}`,
} as const;
