import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SteadyClock } from './steady-clock.ts';

function setup() {
  const now = { wall: 1_700_000_000_000, monotonic: 5_000, boot: 'one' as string | undefined };
  const clock = {
    wallNowMs: () => now.wall,
    monotonicNowMs: () => now.monotonic,
    get bootId() {
      return now.boot;
    },
  };
  return { now, clock };
}

describe('the steady clock', () => {
  test('it begins at wall time and advances with the monotonic clock', () => {
    const { now, clock } = setup();
    const steady = new SteadyClock(clock);
    now.monotonic += 250;
    assert.equal(steady.nowMs(), 1_700_000_000_250);
  });

  test('a wall clock that jumps a day either way changes nothing', () => {
    const { now, clock } = setup();
    const steady = new SteadyClock(clock);
    now.wall += 86_400_000;
    assert.equal(steady.nowMs(), 1_700_000_000_000);
    now.wall -= 2 * 86_400_000;
    assert.equal(steady.nowMs(), 1_700_000_000_000);
  });

  test('from one process to the next of the same boot the monotonic clock bridges the gap, whatever the wall clock says', () => {
    const { now, clock } = setup();
    const saved = new SteadyClock(clock).save();
    now.monotonic += 3_000;
    now.wall += 86_400_000;
    assert.equal(new SteadyClock(clock, saved).nowMs(), 1_700_000_003_000);
  });

  test('over a reboot the wall clock counts, but never backwards', () => {
    const { now, clock } = setup();
    const saved = new SteadyClock(clock).save();
    now.boot = 'two';
    now.monotonic = 10;
    now.wall += 60_000;
    assert.equal(new SteadyClock(clock, saved).nowMs(), 1_700_000_060_000);
    now.wall -= 120_000;
    assert.equal(new SteadyClock(clock, saved).nowMs(), 1_700_000_000_000);
  });
});
