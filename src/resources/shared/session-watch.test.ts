import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimulatedIo } from '../../testing/simulated-io.ts';
import type { RequestTimedOut } from '../../transactions/errors.ts';
import { type SessionSight, SessionWatch } from './session-watch.ts';

/** `sights`: what the looks see, one after another; an Error: that look fails. The last one repeats. */
function setup({ sights = ['running'] }: { readonly sights?: readonly (SessionSight | Error)[] } = {}) {
  const { clock, timers } = new SimulatedIo();
  const left = [...sights];
  const looks: number[] = [];
  const startedMs = clock.monotonicNowMs();
  const elapsedMs = (): number => clock.monotonicNowMs() - startedMs;
  const watch = new SessionWatch({
    resource: 'orders',
    clock,
    timers,
    lookAfterMs: 3000,
    look: async () => {
      looks.push(elapsedMs());
      const sight = (left.length > 1 ? left.shift() : left[0]) ?? 'running';
      if (sight instanceof Error) throw sight;
      return sight;
    },
  });
  const cuts: Error[] = [];
  const connection = { session: '1.2', bytesRead: 10, bytesUnsent: 0, destroy: (reason: Error) => cuts.push(reason) };
  const deaths: { readonly atMs: number; readonly error: RequestTimedOut }[] = [];
  const request = {
    connection,
    what: 'select 1',
    timeoutMs: 60_000,
    dead: (error: RequestTimedOut) => deaths.push({ atMs: elapsedMs(), error }),
  };
  /** Lets time pass second by second, and what is promised in it come true. */
  const pass = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 500) {
      clock.advance(500);
      timers.runDue();
      await new Promise<void>((resolve) => timers.soon(resolve));
    }
  };
  return { watch, request, connection, deaths, cuts, looks, pass, timers };
}

describe('the second look', () => {
  test('is not taken at a request that is answered in time', async () => {
    const { watch, request, looks, deaths, pass, timers } = setup({ sights: ['absent'] });
    const watched = watch.watch(request);
    await pass(2500);
    watched.done();
    await pass(60_000);
    assert.deepEqual([looks, deaths, timers.armedCount], [[], [], 0]);
  });

  test('finds a connection dead whose session the server does not know', async () => {
    const { watch, request, deaths, pass, timers } = setup({ sights: ['absent'] });
    watch.watch(request);
    await pass(10_000);
    assert.deepEqual(
      deaths.map(({ atMs }) => atMs),
      [3000],
    );
    assert.equal(deaths[0]?.error.code, 'REQUEST_TIMED_OUT');
    assert.match(deaths[0]?.error.message ?? '', /'orders'.*select 1.*does not know its session/);
    assert.equal(timers.armedCount, 0);
  });

  test('finds a connection dead whose session is idle twice while nothing arrives', async () => {
    const { watch, request, deaths, pass } = setup({ sights: ['idle'] });
    watch.watch(request);
    await pass(10_000);
    assert.deepEqual(
      deaths.map(({ atMs }) => atMs),
      [5000],
    );
  });

  test('waits on while an answer is arriving, though the server is idle by now', async () => {
    const { watch, request, connection, deaths, pass } = setup({ sights: ['idle'] });
    watch.watch(request);
    for (let second = 0; second < 20; second++) {
      connection.bytesRead += 1;
      await pass(1000);
    }
    assert.deepEqual(deaths, []);
  });

  test('waits on while the request itself is on its way, though the server is idle still', async () => {
    const { watch, request, connection, deaths, pass } = setup({ sights: ['idle'] });
    watch.watch(request);
    connection.bytesUnsent = 1;
    await pass(20_500);
    connection.bytesUnsent = 0;
    assert.deepEqual(deaths, []);
    await pass(10_000);
    assert.deepEqual(
      deaths.map(({ atMs }) => atMs),
      [23_000],
      'looked at twice since',
    );
  });

  test('waits on while the server runs it, until the deadline', async () => {
    const { watch, request, deaths, looks, pass } = setup({ sights: ['running'] });
    watch.watch(request);
    await pass(59_500);
    assert.deepEqual(deaths, []);
    assert.deepEqual(looks.slice(0, 3), [3000, 5000, 7000]);
    await pass(500);
    assert.deepEqual(
      deaths.map(({ atMs }) => atMs),
      [60_000],
    );
  });

  test('idle, then running, then idle is no proof', async () => {
    const { watch, request, deaths, pass } = setup({ sights: ['idle', 'running', 'idle', 'running'] });
    watch.watch(request);
    await pass(12_000);
    assert.deepEqual(deaths, []);
  });

  test('concludes nothing from a look that fails, and looks again', async () => {
    const { watch, request, deaths, pass } = setup({ sights: [new Error('refused'), 'absent'] });
    watch.watch(request);
    await pass(10_000);
    assert.deepEqual(
      deaths.map(({ atMs }) => atMs),
      [5000],
    );
  });

  test('counts the deadline while a look is under way', async () => {
    const { clock, timers } = new SimulatedIo();
    const never = new Promise<SessionSight>(() => undefined);
    const watch = new SessionWatch({ resource: 'orders', clock, timers, lookAfterMs: 3000, look: () => never });
    const deaths: string[] = [];
    watch.watch({ ...setup().request, timeoutMs: 5000, dead: ({ code }) => deaths.push(code) });
    for (let second = 0; second < 5; second++) {
      clock.advance(1000);
      timers.runDue();
    }
    assert.deepEqual(deaths, ['REQUEST_TIMED_OUT']);
  });

  test('a guarded request fails with the watch, after its connection was cut', async () => {
    const { watch, request, cuts, pass } = setup({ sights: ['absent'] });
    const { connection, what, timeoutMs } = request;
    const guarded = watch.guard({ connection, what, timeoutMs }, new Promise<string>(() => undefined));
    const failed = assert.rejects(guarded, { code: 'REQUEST_TIMED_OUT' });
    await pass(3000);
    await failed;
    assert.equal(cuts.length, 1);
  });
});
