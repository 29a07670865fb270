import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoordinatorStory } from '../../test/support/coordinator-story.ts';
import { setupDatabases } from '../../test/support/databases-setup.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';

describe('what an endpoint needs of its databases', () => {
  test('two databases of one name are refused', async () => {
    const databases = [new FakeDatabase('orders'), new FakeDatabase('orders')];
    await assert.rejects(CoordinatorStory.begin(databases), { code: 'INVALID_OPTION', message: /one name/ });
    const { story } = await setupDatabases();
    await using _ = story;
    const again = new FakeDatabase('orders').connect(story.life);
    await assert.rejects(
      story.coordinator.use({ endpoint: 'b', resources: [again], branchCount: 1, protocol: 'auto' }),
      {
        code: 'INVALID_OPTION',
      },
    );
  });

  test('the marker row cannot be forced for several databases', async () => {
    const databases = [new FakeDatabase('orders'), new FakeDatabase('stock')];
    await assert.rejects(CoordinatorStory.begin(databases, { protocol: 'marker' }), { code: 'INVALID_OPTION' });
  });

  test('a pool that is smaller than the concurrency that uses it is refused, with both numbers', async () => {
    const { story } = await setupDatabases();
    await using _ = story;
    const [orders] = story.resources;
    assert.ok(orders !== undefined);
    assert.equal(orders.sizedTo, 4);
    orders.poolSize = 7;
    const request = { endpoint: 'b', resources: [orders], branchCount: 4, protocol: 'auto' } as const;
    await assert.rejects(story.coordinator.use(request), {
      code: 'INVALID_OPTION',
      message: /is 7, .* may have 8 .* Raise it to 8/,
    });
    const use = await story.coordinator.use({ ...request, branchCount: 3 });
    assert.equal(orders.sizedTo, 7);
    use.release();
    await (await story.coordinator.use({ ...request, branchCount: 3 })).release();
  });

  const obstacle = { what: 'max_prepared_transactions is 0', mend: 'Set it to 100.' };
  for (const [rule, inspection, count, protocol, isUnfit] of [
    ['PREPARE is not asked of a server that is used by marker row', { twoPhaseObstacle: obstacle }, 1, 'auto', false],
    [
      'a server that cannot prepare is refused where two-phase commit is forced',
      { twoPhaseObstacle: obstacle },
      1,
      'twoPhase',
      true,
    ],
    ['a server that cannot prepare is refused beside another one', { twoPhaseObstacle: obstacle }, 2, 'auto', true],
    ['a server that cannot keep the marker row is refused', { markerObstacle: obstacle }, 1, 'auto', true],
    ['a server that keeps too few prepared branches is refused', { preparedMax: 3 }, 1, 'twoPhase', true],
    ['a server that keeps just enough prepared branches will do', { preparedMax: 4 }, 1, 'twoPhase', false],
  ] as const) {
    test(rule, async () => {
      const databases = ['orders', 'stock'].slice(0, count).map((name) => new FakeDatabase(name));
      for (const database of databases) database.inspection = { ...database.inspection, ...inspection };
      const begin = CoordinatorStory.begin(databases, { protocol });
      if (isUnfit) await assert.rejects(begin, { code: 'RESOURCE_UNFIT' });
      else await (await begin)[Symbol.asyncDispose]();
    });
  }

  test('a server that turns out to be unfit when it is reached refuses branches, and says why', async () => {
    const orders = new FakeDatabase('orders');
    orders.isDown = true;
    orders.inspection = { ...orders.inspection, markerObstacle: obstacle };
    await using story = await CoordinatorStory.begin([orders]);
    let changes = 0;
    story.use.onChange(() => changes++);
    orders.isDown = false;
    await story.machine.advance(10_000);
    assert.ok(changes > 0);
    assert.equal(story.use.fenced[0]?.state, 'unfit');
    assert.match(story.use.fenced[0]?.sentence ?? '', /max_prepared_transactions is 0\. Set it to 100\./);
    const transaction = story.begin();
    await assert.rejects(story.enlist(transaction, 0), { code: 'RESOURCE_UNFIT' });
  });

  test('which protocol is used, and why, can be told', async () => {
    for (const [count, protocol, words] of [
      [1, 'auto', /^marker row: one database/],
      [2, 'auto', /^marker row when one .* two-phase commit when several/],
      [1, 'twoPhase', /^two-phase commit: asked for/],
    ] as const) {
      const databases = ['orders', 'stock'].slice(0, count).map((name) => new FakeDatabase(name));
      await using story = await CoordinatorStory.begin(databases, { protocol });
      assert.match(story.use.describe()[0]?.protocol ?? '', words);
      assert.equal(story.use.describe()[0]?.inspection?.server, 'Fake 1');
    }
  });
});
