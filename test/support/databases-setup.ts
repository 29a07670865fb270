import assert from 'node:assert/strict';
import type { Witness } from '../../src/transactions/resource-manager.ts';
import { formatBranchQualifier, formatTransactionId } from '../../src/transactions/transaction-id.ts';
import { CoordinatorStory } from './coordinator-story.ts';
import { FakeDatabase } from './fake-database.ts';

/** A story over the first of `orders`, `stock` and `bills`. */
export async function setupDatabases(count = 1) {
  const databases = ['orders', 'stock', 'bills'].slice(0, count).map((name) => new FakeDatabase(name));
  const story = await CoordinatorStory.begin(databases);
  const [orders = new FakeDatabase('none'), stock = new FakeDatabase('none')] = databases;
  return { orders, stock, story };
}

export function witnessOf(database: FakeDatabase): Witness {
  const [witness] = database.witnesses.values();
  assert.ok(witness !== undefined, `${database.name} has a witness`);
  return witness;
}

/** Text of a branch prepared under the name of another life. */
export function branchOf(database: FakeDatabase, changes: Partial<Witness>): string {
  const transaction = formatTransactionId({ ...witnessOf(database), sequence: 7, ...changes });
  return `${transaction}:${formatBranchQualifier(database.name, 0)}`;
}
