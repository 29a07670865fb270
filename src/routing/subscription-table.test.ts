import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EVERY_EVENT } from './subscription-store.ts';
import { SubscriptionTable } from './subscription-table.ts';

function queuesOf(table: SubscriptionTable, type: string): string[] {
  return table.subscribersOf(type).map(({ queue }) => queue);
}

describe('subscription table', () => {
  test('an event goes to those who subscribed to its type, in that order and once each', () => {
    const table = new SubscriptionTable();
    for (const queue of ['billing', 'shipping', 'billing']) table.add('OrderPlaced', queue);
    table.add('OrderCancelled', 'shipping');
    assert.deepEqual(queuesOf(table, 'OrderPlaced'), ['billing', 'shipping']);
    assert.deepEqual(queuesOf(table, 'Unheard'), []);
  });

  test('who subscribed to every event gets each once, known type or not', () => {
    const table = new SubscriptionTable();
    table.add('OrderPlaced', 'tap');
    table.add('OrderPlaced', 'billing');
    table.add(EVERY_EVENT, 'tap');
    assert.deepEqual(queuesOf(table, 'OrderPlaced'), ['tap', 'billing']);
    assert.deepEqual(queuesOf(table, 'Unheard'), ['tap']);
    table.remove(EVERY_EVENT, 'tap');
    assert.deepEqual(queuesOf(table, 'Unheard'), []);
  });

  test('what was removed gets nothing more, and the others go on', () => {
    const table = new SubscriptionTable();
    table.add('OrderPlaced', 'billing');
    table.add('OrderPlaced', 'shipping');
    table.remove('OrderPlaced', 'billing');
    table.remove('OrderPlaced', 'never there');
    assert.deepEqual(queuesOf(table, 'OrderPlaced'), ['shipping']);
  });
});
