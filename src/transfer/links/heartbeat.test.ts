import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimulatedIo } from '../../testing/simulated-io.ts';
import { Heartbeat } from './heartbeat.ts';

function setup() {
  const io = new SimulatedIo();
  const told: string[] = [];
  const heartbeat = new Heartbeat({
    clock: io.clock,
    timers: io.timers,
    actions: {
      ask: () => told.push('ask'),
      speak: () => told.push('speak'),
      silent: () => told.push('silent'),
      dead: () => told.push('dead'),
    },
  });
  /** Time passes, and timers run at their own time. */
  const advance = (byMs: number): void => {
    for (let ms = 0; ms < byMs; ms += 100) {
      io.clock.advance(100);
      io.timers.runDue();
    }
  };
  /** Time passes while this process stands still: its timers run late, and before any bytes are read. */
  const standStill = (forMs: number): void => {
    io.clock.advance(forMs);
    io.timers.runDue();
  };
  const heard = (isWithinFrame = false): void => heartbeat.heard(io.clock.monotonicNowMs(), isWithinFrame);
  return { io, heartbeat, told, advance, standStill, heard };
}

describe('a heartbeat', () => {
  test('asks, tells the silence, and gives up: in 5, 7 and 15 s', () => {
    const { told, advance } = setup();
    advance(4_900);
    assert.deepEqual(told, []);
    advance(100);
    assert.deepEqual(told, ['ask']);
    advance(2_000);
    assert.deepEqual(told, ['ask', 'silent']);
    advance(7_900);
    assert.deepEqual(told, ['ask', 'silent']);
    advance(100);
    assert.deepEqual(told, ['ask', 'silent', 'dead']);
    advance(60_000);
    assert.equal(told.length, 3);
  });

  test('in 2, 4 and 8 s while answers are expected', () => {
    const { heartbeat, told, advance } = setup();
    heartbeat.isExpecting = true;
    advance(2_000);
    assert.deepEqual(told, ['ask']);
    advance(2_000);
    assert.deepEqual(told, ['ask', 'silent']);
    advance(3_900);
    assert.equal(told.length, 2);
    advance(100);
    assert.deepEqual(told, ['ask', 'silent', 'dead']);
  });

  test('any bytes begin the count anew', () => {
    const { told, advance, heard } = setup();
    for (let round = 0; round < 20; round++) {
      advance(14_000);
      heard();
    }
    assert.deepEqual(new Set(told), new Set(['ask', 'silent']));
  });

  test('a process that stood still after it had asked reads before it judges', () => {
    const { heartbeat, told, advance, standStill, heard } = setup();
    heartbeat.isExpecting = true;
    advance(2_000);
    standStill(30_000);
    assert.deepEqual(told, ['ask']);
    heard();
    advance(1_900);
    assert.deepEqual(told, ['ask']);
  });

  test('and finds a dead peer all the same, when there was nothing to read', () => {
    const { heartbeat, told, advance, standStill } = setup();
    heartbeat.isExpecting = true;
    advance(2_000);
    standStill(30_000);
    advance(6_000);
    assert.deepEqual(told, ['ask', 'silent', 'dead']);
  });

  test('an end that does not read speaks every 1.5 s and judges nobody', () => {
    const { heartbeat, told, advance } = setup();
    heartbeat.isHeld = true;
    advance(60_000);
    assert.deepEqual(told, Array(40).fill('speak'));
    heartbeat.isHeld = false;
    advance(4_900);
    assert.equal(told.length, 40);
    advance(100);
    assert.equal(told[40], 'ask');
  });

  test('what this end sent by itself counts as spoken', () => {
    const { heartbeat, told, advance, heard } = setup();
    advance(1_400);
    heartbeat.spoke();
    advance(1_400);
    heard(true);
    assert.deepEqual(told, []);
    advance(100);
    heard(true);
    assert.deepEqual(told, ['speak']);
    advance(1_600);
    heard(false);
    assert.deepEqual(told, ['speak']);
  });

  test('has one timer however often it is turned', () => {
    const { io, heartbeat, heard } = setup();
    for (let turn = 0; turn < 1_000; turn++) {
      heartbeat.isExpecting = turn % 2 === 0;
      heard();
    }
    assert.equal(io.timers.armedCount, 1);
    heartbeat.stop();
    assert.equal(io.timers.armedCount, 0);
  });
});
