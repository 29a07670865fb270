import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { EndpointStory, typed } from '../support/endpoint-story.ts';

/** Handlers of `Kill` end their process; those of `Innocent` are running when that happens, 63 at a time. */
async function liveOnce(story: EndpointStory, handled: Set<string>): Promise<'died' | 'lived'> {
  const died = Promise.withResolvers<'died'>();
  const sales = story.endpoint('sales', { concurrency: 64 });
  sales.handle('Kill', () => {
    died.resolve('died');
    return new Promise(() => undefined);
  });
  sales.handle('Innocent', async (_message, context) => {
    await new Promise((resolve) => story.machine.processIo.timers.after(1_000, () => resolve(undefined)));
    handled.add(context.messageId);
  });
  await sales.start();
  const outcome = Promise.race([died.promise, story.advance(30_000).then(() => 'lived' as const)]);
  await story.settle();
  return outcome;
}

describe('when a message kills its process', () => {
  test('fault 79: it ends in the error queue after 3 deaths, and its 63 neighbours are handled', async () => {
    await using story = await EndpointStory.begin();
    const handled = new Set<string>();
    for (let index = 0; index < 64; index++) {
      const type = index === 40 ? 'Kill' : 'Innocent';
      await story.put('sales', { headers: typed(type, { [Header.messageId]: `message-${index}` }) });
    }
    let deaths = 0;
    while ((await liveOnce(story, handled)) === 'died') {
      deaths++;
      assert.ok(deaths <= 3, 'the killer got a fourth life');
      await story.crash();
    }
    assert.equal(deaths, 3);
    assert.equal(handled.size, 63);
    const { headers } = await story.onlyMessageIn('error');
    assert.equal(headers[Header.messageId], 'message-40');
    assert.equal(headers[Header.failureReason], 'ProcessDied');
    assert.equal(headers[Header.deaths], '3');
    assert.equal(story.status('sales')?.messages, 0);
  });

  test('a delayed retry between two deaths does not give it a new life', async () => {
    await using story = await EndpointStory.begin();
    let lives = 0;
    const start = async (dies: boolean): Promise<void> => {
      const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 3 } });
      sales.handle('Kill', () => {
        lives++;
        if (dies) return new Promise(() => undefined);
        throw new Error('boom');
      });
      await sales.start();
      await story.settle();
    };
    await story.put('sales', { headers: typed('Kill') });
    for (const dies of [true, true, false]) {
      await start(dies);
      if (dies) await story.crash();
      else await story.restart();
    }
    // Two deaths, then a failure that puts it back with a delay; the third death is its last.
    await start(true);
    await story.advance(10_000);
    await story.crash();
    await start(true);
    await story.settle();
    assert.equal(lives, 4);
    assert.equal((await story.onlyMessageIn('error')).headers[Header.failureReason], 'ProcessDied');
  });
});
