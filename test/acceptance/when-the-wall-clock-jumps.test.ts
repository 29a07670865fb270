import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineCommand, Endpoint } from 'posthorn';
import { createTestBus, type EndpointMaker, type TestBus } from 'posthorn/testing';
import { QueueStory } from '../support/queue-story.ts';

const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** A day forward, two days back, and to where it would have been: all on one machine that goes on working. */
const JUMPS_MS = [DAY_MS, -2 * DAY_MS, DAY_MS];

const Count = defineCommand<{ index: number }>('Count');
const Later = defineCommand<{ index: number }>('Later');
const Retried = defineCommand<{ index: number }>('Retried');

/** Steady work under the jumps, noted by the monotonic clock. */
class Load {
  readonly counted: number[] = [];
  readonly laterAtMs: number[] = [];
  readonly attemptsAtMs = new Map<number, number[]>();
  readonly expired: string[] = [];

  readonly endpoint: EndpointMaker = (options) => {
    const nowMs = (): number => options.io.clock.monotonicNowMs();
    return new Endpoint('counting', {
      ...options,
      concurrency: 1,
      recoverability: { immediateRetries: 0, delayedRetries: 3, delayedRetryIncreaseMs: 10_000 },
    })
      .handle(Count, ({ index }) => void this.counted.push(index))
      .handle(Later, () => void this.laterAtMs.push(nowMs()))
      .handle(Retried, ({ index }) => {
        this.attemptsAtMs.set(index, [...(this.attemptsAtMs.get(index) ?? []), nowMs()]);
        throw new Error('still down');
      });
  };
}

function queueOf(bus: TestBus, queue: string) {
  return bus.queueManager.status().find((status) => status.queue === queue);
}

describe('fault 80: when the wall clock jumps a day forward, two days back, and a day forward again, under load', () => {
  test('no message expires before its time by the monotonic clock, and each expires when that has come', async () => {
    await using bus = await createTestBus();
    for (let index = 0; index < 500; index++) {
      void bus.send(Count, { index }, { to: 'nobody', timeToBeReceivedMs: HOUR_MS, deadLetter: index % 2 === 0 });
    }
    await bus.quiet();
    for (const jumpMs of JUMPS_MS) {
      bus.jumpWallClock(jumpMs);
      await bus.send(Count, { index: 500 }, { to: 'nobody', timeToBeReceivedMs: HOUR_MS });
      await bus.advance(10 * MINUTE_MS);
      assert.equal(queueOf(bus, 'dead-letter'), undefined);
    }
    assert.deepEqual([queueOf(bus, 'nobody')?.messages, queueOf(bus, 'nobody')?.expired], [503, 0]);
    await bus.advance(30 * MINUTE_MS);
    assert.deepEqual([queueOf(bus, 'nobody')?.messages, queueOf(bus, 'nobody')?.expired], [2, 250]);
    assert.equal(queueOf(bus, 'dead-letter')?.messages, 251);
    await bus.advance(30 * MINUTE_MS);
    assert.equal(queueOf(bus, 'nobody')?.messages, 0);
  });

  test('no timer is stuck and none hurried: delayed messages come when their time has passed, to the millisecond', async () => {
    const load = new Load();
    await using bus = await createTestBus({ endpoints: [load.endpoint] });
    const startMs = bus.now().getTime();
    const expectedMs: number[] = [];
    let passedMs = 0;
    for (const [index, jumpMs] of JUMPS_MS.entries()) {
      await bus.send(Later, { index }, { delayMs: 15 * MINUTE_MS });
      expectedMs.push(passedMs + 15 * MINUTE_MS);
      bus.jumpWallClock(jumpMs);
      await bus.send(Later, { index }, { delayMs: 20 * MINUTE_MS });
      expectedMs.push(passedMs + 20 * MINUTE_MS);
      await bus.advance(10 * MINUTE_MS);
      passedMs += 10 * MINUTE_MS;
    }
    await bus.quiet({ throughDelays: true });
    const firstMs = (load.laterAtMs[0] ?? 0) - (expectedMs[0] ?? 0);
    assert.deepEqual(
      load.laterAtMs.map((atMs) => atMs - firstMs),
      expectedMs.toSorted((one, other) => one - other),
    );
    assert.equal(bus.now().getTime() - startMs, 40 * MINUTE_MS, 'the jumps cancel each other out');
  });

  test('a delayed retry comes when its delay has passed by the monotonic clock, and not earlier', async () => {
    const load = new Load();
    await using bus = await createTestBus({ endpoints: [load.endpoint] });
    for (let index = 0; index < 30; index++) await bus.send(Retried, { index });
    await bus.quiet();
    for (const jumpMs of JUMPS_MS) {
      bus.jumpWallClock(jumpMs);
      await bus.advance(7_000);
    }
    await bus.quiet({ throughDelays: true });
    assert.equal(load.attemptsAtMs.size, 30);
    for (const [index, attemptsAtMs] of load.attemptsAtMs) {
      const delaysMs = attemptsAtMs.slice(1).map((atMs, attempt) => atMs - (attemptsAtMs[attempt] ?? 0));
      assert.deepEqual(delaysMs, [10_000, 20_000, 30_000], `message ${index}`);
    }
    assert.equal((await bus.failed(Retried)).length, 30);
  });

  test('messages are handled in the order of their commits', async () => {
    const load = new Load();
    await using bus = await createTestBus({ endpoints: [load.endpoint] });
    let index = 0;
    for (const jumpMs of [0, ...JUMPS_MS]) {
      bus.jumpWallClock(jumpMs);
      for (let burst = 0; burst < 100; burst++) void bus.send(Count, { index: index++ });
      await bus.advance(50);
    }
    await bus.quiet();
    assert.deepEqual(
      load.counted,
      Array.from({ length: 400 }, (_, each) => each),
    );
  });

  test('a running handler is not taken for one that ran out of time', async () => {
    const entered = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    let timeouts = 0;
    await using bus = await createTestBus({
      endpoints: [
        (options) =>
          new Endpoint('slow', options)
            .handle(Count, () => {
              entered.resolve();
              return left.promise;
            })
            .on('timedOut', () => timeouts++),
      ],
    });
    await bus.send(Count, { index: 1 });
    await entered.promise;
    for (const jumpMs of JUMPS_MS) {
      bus.jumpWallClock(jumpMs);
      await bus.advance(MINUTE_MS);
    }
    left.resolve();
    await bus.quiet();
    assert.deepEqual([timeouts, bus.handled(Count).length], [0, 1]);
  });

  for (const end of ['restart', 'crash'] as const) {
    test(`a new process of the same boot goes on with the time of the old one (${end})`, async () => {
      await using story = await QueueStory.begin();
      await story.send('orders', 'expires', { timeToBeReceivedMs: HOUR_MS });
      await story.send('orders', 'delayed', { delayMs: HOUR_MS });
      for (const jumpMs of JUMPS_MS) {
        await story.advance(10 * MINUTE_MS);
        story.machine.io.clock.jumpWall(jumpMs);
        await story[end]();
      }
      await story.advance(30 * MINUTE_MS - 1);
      assert.deepEqual([await story.waiting('orders'), story.status('orders').delayed], [['expires'], 1]);
      await story.advance(1);
      assert.deepEqual(await story.waiting('orders'), ['delayed']);
      assert.deepEqual(await story.waiting('dead-letter'), ['expires']);
    });
  }

  test('a process that dies in its first seconds has left its time, whatever became of its first unit of work', async () => {
    await using story = await QueueStory.begin();
    story.manager.begin().rollback();
    await story.send('orders', 'delayed', { delayMs: MINUTE_MS });
    story.machine.io.clock.jumpWall(-DAY_MS);
    await story.crash();
    await story.advance(MINUTE_MS);
    assert.deepEqual(await story.waiting('orders'), ['delayed']);
  });

  test('over a reboot only the wall clock can tell what passed: one that was set back counts as no time at all', async () => {
    await using story = await QueueStory.begin();
    await story.send('orders', 'delayed', { delayMs: HOUR_MS });
    await story.manager.close();
    story.machine.io.clock.reboot(20 * MINUTE_MS);
    await story.open();
    await story.manager.close();
    story.machine.io.clock.jumpWall(-DAY_MS);
    story.machine.io.clock.reboot(10 * MINUTE_MS);
    await story.open();
    await story.advance(40 * MINUTE_MS - 1);
    assert.deepEqual(await story.waiting('orders'), []);
    await story.advance(1);
    assert.deepEqual(await story.waiting('orders'), ['delayed']);
  });
});
