import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimulatedClock } from './simulated-clock.ts';

describe('simulated clock', () => {
  test('time passes for both clocks, and only the wall clock jumps', () => {
    const clock = new SimulatedClock(1_000_000);
    const monotonicMs = clock.monotonicNowMs();
    clock.advance(500);
    clock.jumpWall(-2_000);
    assert.equal(clock.wallNowMs(), 998_500);
    assert.equal(clock.monotonicNowMs(), monotonicMs + 500);
  });

  test('a reboot begins monotonic time anew under another boot id, and wall time goes on', () => {
    const clock = new SimulatedClock(1_000_000);
    const { bootId } = clock;
    const startMs = clock.monotonicNowMs();
    clock.advance(500);
    clock.reboot(10_000);
    assert.notEqual(clock.bootId, bootId);
    assert.equal(clock.monotonicNowMs(), startMs);
    assert.equal(clock.wallNowMs(), 1_010_500);
  });
});
