import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineCommand } from '../message/define-contract.ts';
import type { FailureReason } from '../message/headers.ts';
import { UnhandleableMessage, UnrecoverableError } from './errors.ts';
import { type Failure, RECOVERABILITY_DEFAULTS, type RecoverabilityConfig } from './recoverability-config.ts';
import { recoverabilityPolicy } from './recoverability-policy.ts';

class DatabaseError extends Error {}
class DeadlockError extends DatabaseError {
  readonly code = '40P01';
}
class Unreadable extends UnhandleableMessage {
  readonly code = 'UNREADABLE';
  readonly reason: FailureReason = 'UndecodableBody';
}

function failureOf(changes: Partial<Failure> = {}): Failure {
  return {
    error: new Error('boom'),
    messageId: 'm1',
    messageType: 'Sales.PlaceOrder',
    headers: {},
    failedAttempts: 1,
    delayedRetries: 0,
    attempts: 1,
    canRetry: true,
    chance: 0,
    ...changes,
  };
}

const toErrorQueue = { kind: 'moveToErrorQueue', reason: 'HandlerFailed', errorQueue: 'error' };
const immediate = { kind: 'immediateRetry' };

describe('the recoverability policy', () => {
  const table: [rule: string, failure: Partial<Failure>, config: Partial<RecoverabilityConfig>, action: object][] = [
    ['the first failure is retried at once', {}, {}, immediate],
    ['the fifth failure is retried at once', { failedAttempts: 5 }, {}, immediate],
    [
      'the sixth failure ends the round and waits 10 s',
      { failedAttempts: 6 },
      {},
      { kind: 'delayedRetry', delayMs: 10_000 },
    ],
    [
      'the second round waits 20 s',
      { failedAttempts: 6, delayedRetries: 1 },
      {},
      { kind: 'delayedRetry', delayMs: 20_000 },
    ],
    [
      'the third round waits 30 s',
      { failedAttempts: 6, delayedRetries: 2 },
      {},
      { kind: 'delayedRetry', delayMs: 30_000 },
    ],
    ['after the third delayed retry the message is moved', { failedAttempts: 6, delayedRetries: 3 }, {}, toErrorQueue],
    ['a failure in a later round is retried at once first', { failedAttempts: 1, delayedRetries: 3 }, {}, immediate],
    [
      'exponential backoff doubles the delay',
      { failedAttempts: 6, delayedRetries: 2 },
      { backoff: 'exponential' },
      { kind: 'delayedRetry', delayMs: 40_000 },
    ],
    [
      'no delay is longer than the longest allowed',
      { failedAttempts: 6, delayedRetries: 2 },
      { delayedRetryMaxMs: 15_000 },
      { kind: 'delayedRetry', delayMs: 15_000 },
    ],
    [
      'jitter takes its part of the delay away by chance',
      { failedAttempts: 6, chance: 0.5 },
      { jitter: 0.5 },
      { kind: 'delayedRetry', delayMs: 7_500 },
    ],
    [
      'without immediate retries the first failure waits',
      {},
      { immediateRetries: 0 },
      { kind: 'delayedRetry', delayMs: 10_000 },
    ],
    ['without any retries the first failure moves it', {}, { immediateRetries: 0, delayedRetries: 0 }, toErrorQueue],
    ['without a transaction nothing is retried', { canRetry: false }, {}, toErrorQueue],
    ['an UnrecoverableError is never retried', { error: new UnrecoverableError('no') }, {}, toErrorQueue],
    [
      'what no handler can be given is never retried and keeps its reason',
      { error: new Unreadable('not JSON', '') },
      { rules: [{ immediateRetries: 9 }] },
      { ...toErrorQueue, reason: 'UndecodableBody' },
    ],
    [
      'a listed class is unrecoverable, its subclasses too',
      { error: new DeadlockError('deadlock') },
      { unrecoverableErrors: [DatabaseError] },
      toErrorQueue,
    ],
    [
      'a listed code is unrecoverable',
      { error: new DeadlockError('deadlock') },
      { unrecoverableErrors: ['40P01'] },
      toErrorQueue,
    ],
    [
      'a listed predicate is asked',
      { error: new Error('account closed') },
      { unrecoverableErrors: [(error) => error.message.includes('closed')] },
      toErrorQueue,
    ],
    [
      'a rule for an error class changes its retries only',
      { error: new DeadlockError('deadlock'), failedAttempts: 20 },
      { rules: [{ whenError: DeadlockError, immediateRetries: 50 }] },
      immediate,
    ],
    [
      'a rule for another error does not matter',
      { failedAttempts: 6, delayedRetries: 3 },
      { rules: [{ whenError: DeadlockError, immediateRetries: 50 }] },
      toErrorQueue,
    ],
    [
      'a rule for a message type is found by its contract',
      {},
      { rules: [{ whenMessage: defineCommand('Sales.PlaceOrder'), unrecoverable: true, errorQueue: 'sales.error' }] },
      { ...toErrorQueue, errorQueue: 'sales.error' },
    ],
    [
      'a rule for a message type is found by its name',
      {},
      { rules: [{ whenMessage: 'Sales.PlaceOrder', discard: 'stale' }] },
      {
        kind: 'discard',
        reason: 'stale',
      },
    ],
    [
      'both conditions of a rule must hold',
      {},
      { rules: [{ whenMessage: 'Sales.PlaceOrder', whenError: 'Other', discard: 'x' }] },
      immediate,
    ],
    [
      'the first rule that matches decides',
      {},
      { rules: [{ whenMessage: 'Sales.PlaceOrder', immediateRetries: 1 }, { unrecoverable: true }] },
      immediate,
    ],
  ];
  for (const [rule, failure, config, action] of table) {
    test(rule, () => {
      assert.deepEqual(recoverabilityPolicy(failureOf(failure), { ...RECOVERABILITY_DEFAULTS, ...config }), action);
    });
  }

  test('with the defaults a message that always fails is tried 24 times', () => {
    let attempts = 0;
    let waitedMs = 0;
    let failedAttempts = 0;
    let delayedRetries = 0;
    for (let isRunning = true; isRunning; ) {
      attempts++;
      failedAttempts++;
      const action = recoverabilityPolicy(failureOf({ failedAttempts, delayedRetries }), RECOVERABILITY_DEFAULTS);
      if (action.kind === 'delayedRetry') {
        waitedMs += action.delayMs;
        delayedRetries++;
        failedAttempts = 0;
      }
      isRunning = action.kind !== 'moveToErrorQueue';
    }
    assert.equal(attempts, 24);
    assert.equal(waitedMs, 60_000);
  });
});
