import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';
import { keepingLogger } from '../support/keeping-logger.ts';

const oneAttempt = { immediateRetries: 0, delayedRetries: 0 };

describe('when endpoints share a database', () => {
  test('its pool has room for the handlers of both, and what they do is apart', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], concurrency: 2 });
    const billing = story.endpoint('billing', { resources: [orders], concurrency: 3, recoverability: oneAttempt });
    sales.handle('Order', async (_order, context) => {
      await orders.insert('order');
      await context.send('Bill', {}, { to: 'billing' });
    });
    billing.handle('Bill', async () => {
      await orders.insert('bill');
      throw new Error('no money');
    });
    await sales.start();
    await billing.start();
    assert.equal(orders.resourceManager.sizedTo, 5);
    const users = async () => (await story.manager.coordinator.list({})).resources.map(({ endpoints }) => endpoints);
    assert.deepEqual(await users(), [['billing', 'sales']]);
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.deepEqual(story.orders.rows, ['order']);
    assert.equal(story.status('error')?.messages, 1);
    await sales.stop();
    assert.deepEqual(await users(), [['billing']]);
  });

  test('a pool that is too small for the handlers is refused at the start, and the endpoint can be started when it is not', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    orders.resourceManager.poolSize = 3;
    const sales = story.endpoint('sales', { resources: [orders], concurrency: 4 });
    await assert.rejects(sales.start(), {
      code: 'INVALID_OPTION',
      message: /'poolSize' of the database 'orders' is 3.* 4 /,
    });
    assert.equal(sales.state, 'created');
    orders.resourceManager.poolSize = 4;
    await sales.start();
    assert.equal(sales.state, 'running');
  });

  test('the concurrency may be lowered while it runs, and raised to what it was; more is refused', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const sales = story.endpoint('sales', { resources: [story.resource('orders')], concurrency: 4 });
    await sales.start();
    sales.concurrency = 1;
    sales.concurrency = 4;
    assert.throws(() => {
      sales.concurrency = 5;
    }, /'concurrency' is 5, but the endpoint's databases have connections for 4/);
    assert.equal(sales.concurrency, 4);
  });

  test('it tells which protocol brings database and queues together, before and after its start', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const lines: string[] = [];
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], logger: keepingLogger(lines) });
    assert.equal(sales.describe().mode, 'distributed');
    assert.deepEqual(sales.describe().resources, [
      {
        name: 'orders',
        kind: 'postgres',
        target: { host: 'orders', port: 1, database: 'db', user: 'app' },
        protocol: 'marker row: one database is listed',
        server: undefined,
        fenced: undefined,
      },
    ]);
    const planned = sales.describe().resources[0]?.protocol;
    await sales.start();
    assert.equal(sales.describe().resources[0]?.protocol, planned, 'the plan and the coordinator use the same words');
    assert.equal(sales.describe().resources[0]?.server, 'Fake 1');
    assert.ok(lines.some((line) => line.includes(`take database 'orders' along: ${planned}`)));
  });
});
