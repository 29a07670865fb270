import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimulatedIo } from '../../testing/simulated-io.ts';
import type { PoolConnection } from './pool-connection.ts';
import { SpareConnection } from './spare-connection.ts';

interface Fake extends PoolConnection {
  readonly number: number;
  end: string | undefined;
  break(): void;
}

function fake(number: number): Fake {
  const listeners: (() => void)[] = [];
  const gone = (end: string | undefined): void => {
    connection.end ??= end;
    connection.isUsable = false;
    for (const listener of listeners.splice(0)) listener();
  };
  const connection = {
    number,
    isUsable: true,
    end: undefined as string | undefined,
    onGone: (listener: () => void) => void listeners.push(listener),
    ref: () => undefined,
    unref: () => undefined,
    close: async () => gone('closed'),
    destroy: () => gone('destroyed'),
    break: () => gone(undefined),
  };
  return connection;
}

function setup() {
  const { clock, timers } = new SimulatedIo();
  const opened: Fake[] = [];
  const gates: Promise<void>[] = [];
  const spare = new SpareConnection<Fake>({
    idleMsMax: 10_000,
    timers,
    open: async () => {
      await gates.shift();
      const connection = fake(opened.length + 1);
      opened.push(connection);
      return connection;
    },
    breaksConnection: (error) => !(error instanceof RangeError),
    tooLate: (what) => new Error(`${what} took too long`),
  });
  const use = <Result>(run: (connection: Fake) => Promise<Result>): Promise<Result> =>
    spare.use({ what: 'scan', timeoutMs: 5000, run });
  const pass = (ms: number): void => {
    clock.advance(ms);
    timers.runDue();
  };
  const turn = (): Promise<void> => new Promise((resolve) => timers.soon(resolve));
  return { spare, use, opened, gates, pass, turn };
}

describe('a spare connection', () => {
  test('is opened by the first request, kept for the next, and closed when it has long been idle', async () => {
    const { use, opened, pass } = setup();
    assert.equal(await use(async ({ number }) => number), 1);
    pass(9999);
    assert.equal(await use(async ({ number }) => number), 1);
    pass(9999);
    assert.equal(opened[0]?.end, undefined);
    pass(1);
    assert.equal(opened[0]?.end, 'closed');
    assert.equal(await use(async ({ number }) => number), 2);
  });

  test('is another one for requests that come after it was to be renewed', async () => {
    const { spare, use, opened } = setup();
    const running = use(async ({ number }) => number);
    spare.renew();
    assert.deepEqual(await Promise.all([running, use(async ({ number }) => number)]), [1, 2]);
    assert.equal(opened[0]?.end, 'closed');
  });

  test('is used by one request at a time', async () => {
    const { use } = setup();
    const events: string[] = [];
    const request = (name: string) => async (): Promise<void> => {
      events.push(`${name} begins`);
      await Promise.resolve();
      events.push(`${name} ends`);
    };
    await Promise.all([use(request('a')), use(request('b'))]);
    assert.deepEqual(events, ['a begins', 'a ends', 'b begins', 'b ends']);
  });

  test('outlives an error that is the server’s answer, and is cut by any other', async () => {
    const { use, opened } = setup();
    await assert.rejects(
      use(() => Promise.reject(new RangeError('syntax'))),
      RangeError,
    );
    assert.equal(await use(async ({ number }) => number), 1);
    await assert.rejects(
      use(() => Promise.reject(new TypeError('lost'))),
      TypeError,
    );
    assert.equal(opened[0]?.end, 'destroyed');
    assert.equal(await use(async ({ number }) => number), 2);
  });

  test('R2: a request that is not done in its time fails, its connection is cut, and the next goes on', async () => {
    const { use, opened, pass, turn } = setup();
    const slow = use(() => new Promise<void>(() => undefined));
    const next = use(async ({ number }) => number);
    await turn();
    pass(5000);
    await assert.rejects(slow, /scan took too long/);
    assert.equal(opened[0]?.end, 'destroyed');
    assert.equal(await next, 2);
  });

  test('R2: a request whose connection comes too late is not carried out', async () => {
    const { use, opened, gates, pass, turn } = setup();
    const gate = Promise.withResolvers<void>();
    gates.push(gate.promise);
    let isRun = false;
    const late = use(async () => {
      isRun = true;
    });
    await turn();
    pass(5000);
    await assert.rejects(late, /scan took too long/);
    gate.resolve();
    await turn();
    assert.deepEqual([isRun, opened[0]?.end], [false, 'closed']);
  });

  test('one that broke in between is replaced', async () => {
    const { use, opened } = setup();
    await use(async () => undefined);
    opened[0]?.break();
    assert.equal(await use(async ({ number }) => number), 2);
  });

  test('closing waits for the request that runs', async () => {
    const { spare, use, opened } = setup();
    const gate = Promise.withResolvers<void>();
    const running = use(() => gate.promise);
    const closing = spare.close();
    gate.resolve();
    await Promise.all([running, closing]);
    assert.equal(opened[0]?.end, 'closed');
  });

  test('when none can be had, those that wait are refused too, and who comes later has another try', async () => {
    const { use, gates, pass, turn } = setup();
    gates.push(new Promise(() => undefined));
    const first = use(async ({ number }) => number);
    const second = use(async ({ number }) => number);
    await turn();
    pass(5000);
    await assert.rejects(first, /scan took too long/);
    await assert.rejects(second, /scan took too long/);
    assert.equal(await use(async ({ number }) => number), 1);
  });

  test('R7: a cut refuses the request that runs and those that wait, and what comes later opens another', async () => {
    const { spare, use, opened, turn } = setup();
    const running = use(() => new Promise<void>(() => undefined));
    const waiting = use(async ({ number }) => number);
    await turn();
    spare.cut();
    await assert.rejects(running, /what was asked last took too long/);
    await assert.rejects(waiting, /what was asked last took too long/);
    assert.equal(opened[0]?.end, 'destroyed');
    assert.equal(await use(async ({ number }) => number), 2);
  });

  test('R7: a connection that comes after a cut is not used', async () => {
    const { spare, use, opened, gates, turn } = setup();
    const gate = Promise.withResolvers<void>();
    gates.push(gate.promise);
    const running = use(async ({ number }) => number);
    await turn();
    spare.cut();
    await assert.rejects(running);
    gate.resolve();
    await turn();
    assert.equal(opened[0]?.end, 'closed');
  });
});
