import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery } from '../transport/transport.ts';
import { Attempt } from './attempt.ts';
import type { MessageTransaction } from './message-transaction.ts';

function setup() {
  const calls: string[] = [];
  const transaction: MessageTransaction = {
    hasLeftQueue: false,
    isInDoubt: false,
    distributed: undefined,
    start: () => undefined,
    sends: () => undefined as UnitOfWork | undefined,
    commit: () => undefined,
    rollback: () => {
      calls.push('rollback');
      return undefined;
    },
  };
  // The attempt only carries the delivery.
  const places = {
    free: () => void calls.push('place freed'),
    areOthersTaken: () => false,
    givenUp: new AbortController().signal,
  };
  return { attempt: new Attempt({ failedAttempts: 0 } as Delivery, transaction, 0, places), calls };
}

describe('an attempt', () => {
  test('moves from handling over committing to its end, once', () => {
    const { attempt } = setup();
    assert.equal(attempt.state, 'handling');
    assert.equal(attempt.tryCommitting(), true);
    assert.equal(attempt.tryCommitting(), false);
    assert.equal(attempt.tryAbandoning(new Error('too late')), false);
    assert.equal(attempt.tryEnding(), true);
    assert.equal(attempt.tryEnding(), false);
    assert.equal(attempt.state, 'ended');
  });

  test('abandoned under its handler, it is rolled back, refuses sends, and neither commits nor ends', () => {
    const { attempt, calls } = setup();
    attempt.unitForSends();
    assert.equal(attempt.tryAbandoning(new Error('timeout')), true);
    assert.deepEqual(calls, ['rollback']);
    assert.throws(() => attempt.unitForSends(), { code: 'TRANSACTION_ENDED' });
    assert.equal(attempt.tryCommitting(), false);
    assert.equal(attempt.tryEnding(), false);
    assert.equal(attempt.tryAbandoning(new Error('again')), false);
  });

  test('its signal is aborted with the reason, whether it was asked for before or after', () => {
    const reason = new Error('timeout');
    const asked = setup().attempt;
    const { signal } = asked;
    assert.equal(signal.aborted, false);
    asked.tryAbandoning(reason);
    assert.equal(signal.reason, reason);
    const late = setup().attempt;
    late.tryAbandoning(reason);
    assert.equal(late.signal.reason, reason);
  });
});
