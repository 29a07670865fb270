import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { bothDatabases, KINDS } from '../support/both-databases.ts';
import { DatabaseStory, until } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';

const NAME = 'database.test';
const HEALED_WITHIN_MS = 20_000;
const MESSAGES = 600;
const CONCURRENCY = 8;
/** So many handlers that began since have succeeded: more than could have had luck with their connections. */
const HEALED_COUNT = 2 * CONCURRENCY;

/** Of its old address, once the name leads to another one. */
const OLD = { silent: 'goes silent', refuses: 'refuses' } as const;

describe('when the address of a database changes behind its name', { concurrency: true }, () => {
  for (const old of ['silent', 'refuses'] as const) {
    for (const { title, requireServer } of KINDS) {
      test(`the old one ${OLD[old]}: handlers on ${title} succeed again within 20 seconds, nothing is lost or doubled`, async (t) => {
        const server = requireServer(t);
        if (server === undefined) return;
        await using database = await EffectsDatabase.make(server);
        await moveUnderLoad(t, [database], old);
      });
    }

    test(`the old ones of both databases of a transaction: it ${OLD[old]}, and the same holds`, async (t) => {
      await using both = await bothDatabases(t);
      if (both === undefined) return;
      await moveUnderLoad(t, both.all, old);
    });
  }
});

/** Messages are handled all the while; a third of them before the move. */
async function moveUnderLoad(
  t: TestContext,
  databases: readonly EffectsDatabase[],
  old: 'silent' | 'refuses',
): Promise<void> {
  await using story = await DatabaseStory.begin();
  const namesFile = join(story.directory, 'names');
  const pointTo = (address: string): void => writeFileSync(namesFile, `${address} ${NAME}\n`);
  pointTo('127.0.0.1');
  const places = databases.map(({ kind, proxy, directUrl }) => ({ kind, url: proxy.url(directUrl, NAME), namesFile }));
  const { clock } = nodeIo();
  let handledCount = 0;
  let succeededSince = 0;
  let movedMs: number | undefined;
  let healedMs: number | undefined;
  const begunSince = new Set<string>();
  const before = async (number: number): Promise<void> => {
    if (movedMs !== undefined) begunSince.add(`number ${number}`);
  };
  const numbers = story.numbersEndpoint(places, { concurrency: CONCURRENCY, before });
  const isUnderWay = Promise.withResolvers<void>();
  numbers.endpoint.on('handled', ({ messageId }) => {
    if (++handledCount === MESSAGES / 3) isUnderWay.resolve();
    if (begunSince.has(messageId) && ++succeededSince === HEALED_COUNT) healedMs = clock.monotonicNowMs();
  });
  await numbers.endpoint.start();
  const all = Array.from({ length: MESSAGES }, (_, index) => index + 1);
  await story.put('numbers', ...all);
  await isUnderWay.promise;
  for (const { proxy } of databases) {
    await proxy.moveTo('127.0.0.2', old);
    if (old === 'refuses') proxy.cut();
  }
  pointTo('127.0.0.2');
  const startedMs = clock.monotonicNowMs();
  movedMs = startedMs;
  await until(
    async () => healedMs !== undefined,
    async () => `${handledCount} were handled, ${succeededSince} of those that began since the address changed`,
  );
  const tookMs = Math.round((healedMs ?? Number.NaN) - startedMs);
  t.diagnostic(`healed after ${tookMs} ms`);
  assert.ok(tookMs <= HEALED_WITHIN_MS, `healed after ${tookMs} ms`);
  await story.untilAgreed(databases, all);
}
