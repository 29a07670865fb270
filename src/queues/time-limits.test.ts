import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { firstLimitMs, timeLimitsOf, timeToBeReceivedLeftMs } from './time-limits.ts';

function entry(deadlineMs: number | undefined, headers: Readonly<Record<string, string>>) {
  return {
    position: 1,
    headers: Buffer.from(JSON.stringify(headers)),
    body: new Uint8Array(0),
    deadlineMs,
    isDamaged: false,
  };
}

const RECEIVE = 'NServiceBus.TimeToBeReceived';
const REACH = 'Posthorn.TimeToReachQueue';

describe('time limits of a message for another machine', () => {
  test('the shorter of two makes the deadline, and one alone does too', () => {
    assert.equal(firstLimitMs({ toReachQueueMs: 1, toBeReceivedMs: 2 }), 1);
    assert.equal(firstLimitMs({ toReachQueueMs: 2, toBeReceivedMs: 1 }), 1);
    assert.equal(firstLimitMs({ toReachQueueMs: 3, toBeReceivedMs: undefined }), 3);
    assert.equal(firstLimitMs({ toReachQueueMs: undefined, toBeReceivedMs: 0 }), 0);
    assert.equal(firstLimitMs({ toReachQueueMs: undefined, toBeReceivedMs: undefined }), undefined);
  });

  test('headers that are no time spans set none', () => {
    assert.deepEqual(timeLimitsOf({ [RECEIVE]: '00:00:01', [REACH]: 'soon' }), {
      toReachQueueMs: undefined,
      toBeReceivedMs: 1000,
    });
    assert.deepEqual(timeLimitsOf(undefined), { toReachQueueMs: undefined, toBeReceivedMs: undefined });
  });

  test('what is left of the time to be received counts from when both began', () => {
    assert.equal(timeToBeReceivedLeftMs(entry(5000, {}), 2000), 3000);
    assert.equal(timeToBeReceivedLeftMs(entry(5000, { [REACH]: '00:00:01', [RECEIVE]: '00:00:10' }), 4500), 9500);
    assert.equal(timeToBeReceivedLeftMs(entry(5000, { [REACH]: '00:00:10', [RECEIVE]: '00:00:01' }), 4500), 500);
    assert.equal(timeToBeReceivedLeftMs(entry(5000, { [REACH]: '00:00:01' }), 4500), undefined);
    assert.equal(timeToBeReceivedLeftMs(entry(undefined, { [RECEIVE]: '00:00:01' }), 0), undefined);
    assert.equal(timeToBeReceivedLeftMs(entry(5000, {}), 9000), 0, 'never less than none');
  });
});
