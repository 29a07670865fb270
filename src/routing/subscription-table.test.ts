import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress } from '../message/address.ts';
import { EVERY_EVENT } from './subscription-store.ts';
import { SubscriptionTable } from './subscription-table.ts';

function queuesOf(table: SubscriptionTable, type: string): string[] {
  return table.subscribersOf(type).map(({ queue }) => queue);
}

describe('subscription table', () => {
  test('an event goes to those who subscribed to its type, in that order and once each', () => {
    const table = new SubscriptionTable();
    for (const queue of ['billing', 'shipping', 'billing']) table.add('OrderPlaced', { queue });
    table.add('OrderCancelled', { queue: 'shipping' });
    assert.deepEqual(queuesOf(table, 'OrderPlaced'), ['billing', 'shipping']);
    assert.deepEqual(queuesOf(table, 'Unheard'), []);
  });

  test('who subscribed to every event gets each once, known type or not', () => {
    const table = new SubscriptionTable();
    table.add('OrderPlaced', { queue: 'tap' });
    table.add('OrderPlaced', { queue: 'billing' });
    table.add(EVERY_EVENT, { queue: 'tap' });
    assert.deepEqual(queuesOf(table, 'OrderPlaced'), ['tap', 'billing']);
    assert.deepEqual(queuesOf(table, 'Unheard'), ['tap']);
    table.remove(EVERY_EVENT, { queue: 'tap' });
    assert.deepEqual(queuesOf(table, 'Unheard'), []);
  });

  test('a queue of another machine is not the one of the same name here', () => {
    const table = new SubscriptionTable();
    table.add('OrderPlaced', { queue: 'billing' });
    table.add('OrderPlaced', { queue: 'billing', machine: 'beta' });
    table.add('OrderPlaced', { queue: 'billing', machine: 'beta' });
    table.add(EVERY_EVENT, { queue: 'billing', machine: 'gamma' });
    table.add(EVERY_EVENT, { queue: 'billing', machine: 'beta' });
    const addresses = (): string[] => table.subscribersOf('OrderPlaced').map(formatAddress);
    assert.deepEqual(addresses(), ['billing', 'billing@beta', 'billing@gamma']);
    table.remove('OrderPlaced', { queue: 'billing' });
    table.remove('OrderPlaced', { queue: 'billing', machine: 'gamma' });
    assert.deepEqual(addresses(), ['billing@beta', 'billing@gamma']);
  });

  test('what was removed gets nothing more, and the others go on', () => {
    const table = new SubscriptionTable();
    table.add('OrderPlaced', { queue: 'billing' });
    table.add('OrderPlaced', { queue: 'shipping' });
    table.remove('OrderPlaced', { queue: 'billing' });
    table.remove('OrderPlaced', { queue: 'never there' });
    assert.deepEqual(queuesOf(table, 'OrderPlaced'), ['shipping']);
  });
});
