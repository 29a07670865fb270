import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SimulatedClock } from './simulated-clock.ts';
import { SimulatedTimers } from './simulated-timers.ts';

function setup() {
  const clock = new SimulatedClock();
  return { clock, timers: new SimulatedTimers(clock), ran: [] as string[] };
}

describe('simulated timers', () => {
  test('a timer runs when the clock has reached it, and not a millisecond before', () => {
    const { clock, timers, ran } = setup();
    timers.after(100, () => ran.push('timer'));
    clock.advance(99);
    assert.equal(timers.runDue(), 0);
    clock.advance(1);
    assert.equal(timers.runDue(), 1);
    assert.deepEqual(ran, ['timer']);
    assert.equal(timers.runDue(), 0, 'it runs once');
  });

  test('timers run in the order of their time, and those of one time in the order in which they were armed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), (delays) => {
        const { clock, timers } = setup();
        const ran: { delayMs: number; index: number }[] = [];
        for (const [index, delayMs] of delays.entries()) timers.after(delayMs, () => ran.push({ delayMs, index }));
        clock.advance(20);
        timers.runDue();
        const inOrder = delays
          .map((delayMs, index) => ({ delayMs, index }))
          .sort((one, other) => one.delayMs - other.delayMs || one.index - other.index);
        assert.deepEqual(ran, inOrder);
      }),
    );
  });

  test('a cancelled timer does not run and is not counted, and cancelling it again changes nothing', () => {
    const { clock, timers, ran } = setup();
    const cancelled = timers.after(10, () => ran.push('cancelled'));
    timers.after(20, () => ran.push('kept'));
    cancelled.cancel();
    cancelled.cancel();
    assert.equal(timers.armedCount, 1);
    assert.equal(timers.nextDueMs, clock.monotonicNowMs() + 20);
    clock.advance(30);
    timers.runDue();
    cancelled.cancel();
    assert.deepEqual(ran, ['kept']);
    assert.equal(timers.armedCount, 0);
  });

  test('order holds when many timers are cancelled in between', () => {
    const { clock, timers, ran } = setup();
    for (let index = 0; index < 2000; index++) {
      const delayMs = (index * 7919) % 2000;
      const timer = timers.after(delayMs, () => ran.push(String(delayMs)));
      if (index % 4 !== 0) timer.cancel();
    }
    assert.equal(timers.armedCount, 500);
    clock.advance(2000);
    timers.runDue();
    assert.equal(ran.length, 500);
    assert.deepEqual(
      ran,
      [...ran].sort((one, other) => Number(one) - Number(other)),
    );
  });

  test('a timer that is armed by another for now runs in the same turn, one for later does not', () => {
    const { clock, timers, ran } = setup();
    timers.after(10, () => {
      timers.after(0, () => ran.push('now'));
      timers.after(1, () => ran.push('later'));
    });
    clock.advance(10);
    timers.runDue();
    assert.deepEqual(ran, ['now']);
  });

  test('a jump of the wall clock moves no timer', () => {
    const { clock, timers, ran } = setup();
    timers.after(100, () => ran.push('timer'));
    clock.jumpWall(86_400_000);
    timers.runDue();
    clock.jumpWall(-2 * 86_400_000);
    timers.runDue();
    assert.deepEqual(ran, []);
    clock.advance(100);
    timers.runDue();
    assert.deepEqual(ran, ['timer']);
  });

  test('clearing forgets every timer, and cancelling a forgotten one keeps the count right', () => {
    const { timers } = setup();
    const forgotten = timers.after(1, () => undefined);
    timers.clear();
    forgotten.cancel();
    assert.equal(timers.armedCount, 0);
    assert.equal(timers.nextDueMs, undefined);
  });
});
