import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeDatabase } from '../../test/support/fake-database.ts';
import { Life } from '../../test/support/fake-server.ts';
import { Endpoint } from '../endpoint/endpoint.ts';
import { defineCommand, defineEvent } from '../message/define-contract.ts';
import type { TestEndpointOptions } from './bus-life.ts';
import { createTestBus } from './test-bus.ts';

const PlaceOrder = defineCommand<{ orderId: string }>('Sales.PlaceOrder');
const OrderPlaced = defineEvent<{ orderId: string }>('Sales.OrderPlaced');

function setup(...names: string[]) {
  const databases = (names.length === 0 ? ['orders'] : names).map((name) => new FakeDatabase(name));
  let life = new Life();
  /** Called again by the bus for each process. */
  const sales = (options: TestEndpointOptions) => {
    life.die();
    for (const database of databases) database.processDied(life);
    life = new Life();
    const resources = databases.map((database) => ({ name: database.name, resourceManager: database.connect(life) }));
    return new Endpoint('sales', { ...options, resources }).handle(PlaceOrder, async ({ orderId }, context) => {
      for (const resource of resources) {
        // What the manager of a fake database hands out.
        const client = (await context.resource(resource)) as { insert(row: string): Promise<void> };
        await client.insert(orderId);
      }
      await context.publish(OrderPlaced, { orderId });
    });
  };
  return { databases, sales };
}

describe('test bus: databases', () => {
  test('what a handler did in its database and what it published are there together', async () => {
    const { databases, sales } = setup();
    await using bus = await createTestBus({ endpoints: [sales] });
    await bus.send(PlaceOrder, { orderId: '1' });
    await bus.quiet();
    assert.deepEqual(databases[0]?.rows, ['1']);
    assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }]);
    assert.equal(bus.handled(PlaceOrder).length, 1);
  });

  for (const names of [['orders'], ['orders', 'stock']]) {
    const what = names.length === 1 ? 'one database' : 'two databases';
    for (const at of ['beforeHandler', 'beforeCommit', 'atCommit', 'afterCommit'] as const) {
      test(`a failure ${at} over ${what} leaves every part of it done once`, async () => {
        const { databases, sales } = setup(...names);
        await using bus = await createTestBus({ endpoints: [sales] });
        const fault = bus.failOnce({ at, message: PlaceOrder });
        await bus.send(PlaceOrder, { orderId: '1' });
        await bus.quiet();
        assert.equal(fault.hasHappened, true);
        await bus.advance(60_000); // recovery has its rounds
        await bus.quiet();
        for (const { rows, prepared } of databases) {
          assert.deepEqual(rows, ['1']);
          assert.equal(prepared.size, 0);
        }
        assert.deepEqual(bus.published(OrderPlaced), [{ orderId: '1' }]);
        assert.deepEqual(await bus.messagesIn('sales'), []);
        assert.deepEqual(await bus.failed(), []);
      });
    }
  }
});
