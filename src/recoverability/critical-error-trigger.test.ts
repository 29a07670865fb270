import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '../io/logger.ts';
import { SimulatedIo } from '../testing/simulated-io.ts';
import { CriticalErrorTrigger } from './critical-error-trigger.ts';
import { Notifications } from './notifications.ts';

function setup() {
  const io = new SimulatedIo();
  const notifications = new Notifications(silentLogger);
  const raised: number[] = [];
  notifications.on('criticalError', ({ failures }) => raised.push(failures));
  const trigger = new CriticalErrorTrigger({
    endpoint: 'sales',
    io,
    logger: silentLogger,
    notifications,
    onCriticalError: undefined,
  });
  const failAt = (nowMs: number): void => {
    io.clock.advance(nowMs - io.clock.monotonicNowMs());
    trigger.failed('receive', new Error('boom'));
  };
  return { trigger, raised, failAt, startMs: io.clock.monotonicNowMs() };
}

describe('the critical error trigger', () => {
  test('is raised by 30 seconds of failures and not a moment before, once', () => {
    const { raised, failAt, startMs } = setup();
    for (const atMs of [0, 10_000, 29_999]) failAt(startMs + atMs);
    assert.deepEqual(raised, []);
    failAt(startMs + 30_000);
    failAt(startMs + 90_000);
    assert.deepEqual(raised, [4]);
  });

  test('two failures far apart do not raise it', () => {
    const { raised, failAt, startMs } = setup();
    failAt(startMs);
    failAt(startMs + 60_000);
    assert.deepEqual(raised, []);
    failAt(startMs + 60_001);
    assert.deepEqual(raised, [3]);
  });

  test('a success begins the count anew, and lets it be raised again', () => {
    const { trigger, raised, failAt, startMs } = setup();
    for (const atMs of [0, 15_000, 29_000]) failAt(startMs + atMs);
    trigger.succeeded();
    for (const atMs of [31_000, 45_000, 60_000]) failAt(startMs + atMs);
    assert.deepEqual(raised, []);
    failAt(startMs + 61_000);
    trigger.succeeded();
    for (const atMs of [70_000, 80_000, 100_000]) failAt(startMs + atMs);
    assert.equal(raised.length, 2);
  });
});
