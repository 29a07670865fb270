import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canMove, MOVES, StateOfTransaction, type TransactionState } from './transaction-state.ts';

const ALL = Object.keys(MOVES) as TransactionState[];

function reachableFrom(start: TransactionState): ReadonlySet<TransactionState> {
  const reached = new Set<TransactionState>([start]);
  for (const state of reached) for (const next of MOVES[state]) reached.add(next);
  return reached;
}

describe('states of a transaction', () => {
  test('a move that is not in the table stops as a broken invariant', () => {
    for (const from of ['active', 'inDoubt', 'decided'] as const) {
      for (const to of ALL) {
        const state = new StateOfTransaction(from);
        if (canMove(from, to)) state.move(to);
        else assert.throws(() => state.move(to), { code: 'INVARIANT_BROKEN' }, `${from} to ${to}`);
      }
    }
  });

  test('after the decision no way leads to a rollback', () => {
    for (const state of ['decided', 'heuristic', 'releasing', 'applying'] as const) {
      const reached = reachableFrom(state);
      assert.ok(!reached.has('rolledBack') && !reached.has('aborting') && !reached.has('discarding'), state);
    }
  });

  test('after STAGE only a proven no takes a transaction back', () => {
    for (const state of ['staged', 'inDoubt'] as const) assert.ok(!reachableFrom(state).has('aborting'));
    assert.deepEqual(
      ALL.filter((state) => MOVES[state].includes('rolledBack')),
      ['discarding', 'aborting'],
    );
  });

  test('every state but the three ends has a way on, and the ends have none', () => {
    assert.deepEqual(
      ALL.filter((state) => MOVES[state].length === 0),
      ['committed', 'rolledBack', 'unknown'],
    );
  });

  test('every state can be reached from the beginning', () => {
    assert.deepEqual([...reachableFrom('active')].sort(), [...ALL].sort());
  });
});
