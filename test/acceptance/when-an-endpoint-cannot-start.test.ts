import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';
import { EndpointStory } from '../support/endpoint-story.ts';

describe('when an endpoint cannot start', () => {
  test('nothing can be sent by it, whatever failed', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { errorQueue: 'sales@alpha' } });
    await assert.rejects(sales.start(), { code: 'INVALID_OPTION' });
    assert.equal(sales.state, 'created');
    await assert.rejects(sales.sendLocal('Order', {}), { code: 'ENDPOINT_NOT_RUNNING', message: /created/ });
    await assert.rejects(sales.send('Bill', {}, { to: 'billing' }), { code: 'ENDPOINT_NOT_RUNNING' });
    await assert.rejects(sales.publish('OrderPlaced', {}), { code: 'ENDPOINT_NOT_RUNNING' });
    await assert.rejects(sales.subscribe('OrderPlaced'), { code: 'ENDPOINT_NOT_RUNNING' });
    assert.equal(story.status('sales')?.messages ?? 0, 0);
    assert.equal(story.status('billing')?.messages ?? 0, 0);
  });

  test('nothing can be sent by it when a database has no room, neither meanwhile nor afterwards, and then it can be started', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    orders.resourceManager.poolSize = 3;
    const sales = story.endpoint('sales', { resources: [orders], concurrency: 4 });
    const starting = sales.start();
    const meanwhile: Promise<unknown>[] = [];
    for (let turn = 0; turn < 20; turn++) {
      meanwhile.push(sales.sendLocal('Order', {}));
      await Promise.resolve();
    }
    const sent = await Promise.allSettled(meanwhile);
    await assert.rejects(starting, { code: 'INVALID_OPTION' });
    assert.deepEqual(new Set(sent.map(({ status }) => status)), new Set(['rejected']));
    await assert.rejects(sales.sendLocal('Order', {}), { code: 'ENDPOINT_NOT_RUNNING' });
    orders.resourceManager.poolSize = 4;
    await sales.start();
    await sales.sendLocal('Order', {});
    assert.equal(story.status('sales')?.messages, 1);
  });
});
