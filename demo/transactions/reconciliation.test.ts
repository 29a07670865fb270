import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Books, describeBooks, isBalanced } from './reconciliation.ts';

const databases = { orders: ['a', 'b'], picks: ['b', 'a'], shipments: ['a', 'b'], piecesTaken: 2 };

function books(changes: Partial<Books> = {}): Books {
  return {
    accepted: new Set(['a', 'b']),
    databases,
    prepared: { postgres: 0, mariadb: 0 },
    messagesLeft: 0,
    ...changes,
  };
}

describe('the reconciliation of the demo', () => {
  test('balances when every order is everywhere once', () => {
    assert.ok(isBalanced(books()));
    assert.match(describeBooks(books()), /PostgreSQL {2}orders +2 +0 +0/);
  });

  test('does not when one part disagrees', () => {
    const wrong: Partial<Books>[] = [
      { databases: { ...databases, orders: ['a'] } },
      { databases: { ...databases, picks: ['a', 'a'] } },
      { databases: { ...databases, shipments: ['a', 'b', 'b'] } },
      { databases: { ...databases, piecesTaken: 3 } },
      { prepared: { postgres: 1, mariadb: 0 } },
      { messagesLeft: 1 },
    ];
    for (const changes of wrong) assert.ok(!isBalanced(books(changes)), JSON.stringify(changes));
    assert.match(describeBooks(books({ databases: { ...databases, picks: ['a', 'a'] } })), /picks +2 +1 +1/);
  });
});
