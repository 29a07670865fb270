import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { STOP_ANSWER_MS_MAX } from '../../src/transactions/limits.ts';
import { KINDS, REQUESTS } from '../support/both-databases.ts';
import { fixture, startPosthorn } from '../support/command-line.ts';
import { DatabaseStory } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';
import { type NumbersAtWork, numbersAtWork } from '../support/numbers-at-work.ts';

/** Connections stay open and nothing comes back on any, as from a server that is stopped with SIGSTOP. */
describe('when a stop meets a database that does not answer', { concurrency: true }, () => {
  for (const { kind, title } of KINDS) {
    for (const hold of ['request', 'answer'] as const) {
      test(`a commit whose ${hold} hangs on the way to ${title} is left in doubt in time, and settled after the restart`, async (t) => {
        await using work = await numbersAtWork(t, kind);
        if (work === undefined) return;
        const caught = work.proxyOf(kind).trap(REQUESTS[kind].commitWithMarker, hold);
        await work.story.put('numbers', 1, 2, 3);
        await caught;
        await assertStopsInTime(work, kind);
        await assertAgreesAfterwards(work, [1, 2, 3]);
      });
    }

    for (const phase of ['prepare', 'finish'] as const) {
      test(`a ${phase} of two-phase commit that hangs on the way to ${title} is not waited for, and both agree after the restart`, async (t) => {
        await using work = await numbersAtWork(t, 'postgres', 'mariadb');
        if (work === undefined) return;
        const caught = work.proxyOf(kind).trap(REQUESTS[kind][phase], 'answer');
        await work.story.put('numbers', 1, 2, 3);
        await caught;
        await assertStopsInTime(work, kind);
        await assertAgreesAfterwards(work, [1, 2, 3]);
      });
    }

    test(`a handler whose statement hangs on the way to ${title} is not waited for either`, async (t) => {
      await using work = await numbersAtWork(t, kind);
      if (work === undefined) return;
      const caught = work.proxyOf(kind).trap(/insert into effects/i, 'request');
      await work.story.put('numbers', 1, 2);
      await caught;
      await assertStopsInTime(work, kind);
      await assertAgreesAfterwards(work, [1, 2]);
    });

    test(`a host over ${title} ends after SIGTERM, and says what it did not wait for`, async (t) => {
      const server = KINDS.find((each) => each.kind === kind)?.requireServer(t);
      if (server === undefined) return;
      await using database = await EffectsDatabase.make(server);
      await using story = await DatabaseStory.begin();
      await story.put('numbers', 1, 2, 3);
      await story.close();
      const caught = database.proxy.trap(REQUESTS[kind].commitWithMarker, 'answer');
      const place = JSON.stringify({ kind: database.kind, url: database.url });
      const host = startPosthorn(
        ['host', fixture('numbers-module.ts'), '--directory', story.directory, '--stop-timeout', '1s'],
        { env: { PLACE: place } },
      );
      await caught;
      await host.says('runs in process');
      database.proxy.freeze();
      const startedMs = nowMs();
      const { exitCode, stdout } = await host.kill('SIGTERM');
      assert.ok(nowMs() - startedMs < 1000 + IN_TIME_MS, `it took ${nowMs() - startedMs} ms`);
      assert.equal(exitCode, 0, stdout);
      assert.match(stdout, /stops without waiting longer for its databases \((orders|stock)\)/);
      database.proxy.thaw();
      await story.open();
      await story.numbersEndpoint([database]).endpoint.start();
      await story.untilAgreed([database], [1, 2, 3]);
    });
  }
});

/** The endpoint's two seconds, the queue manager's two, and what a busy machine needs. */
const IN_TIME_MS = 2 * STOP_ANSWER_MS_MAX + 4000;

async function assertStopsInTime({ story, proxyOf }: NumbersAtWork, kind: 'postgres' | 'mariadb'): Promise<void> {
  proxyOf(kind).freeze();
  const startedMs = nowMs();
  await story.close();
  const tookMs = nowMs() - startedMs;
  assert.ok(tookMs < IN_TIME_MS, `the stop took ${tookMs} ms`);
  proxyOf(kind).thaw();
}

async function assertAgreesAfterwards({ story, databases }: NumbersAtWork, numbers: readonly number[]): Promise<void> {
  for (const { proxy } of databases) proxy.disarm();
  await story.open();
  await story.numbersEndpoint(databases).endpoint.start();
  await story.untilAgreed(databases, numbers);
}

function nowMs(): number {
  return nodeIo().clock.monotonicNowMs();
}
