import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimulatedIo } from '../../testing/simulated-io.ts';
import { currentTransaction, runInTransaction } from '../../transactions/ambient-transaction.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { PoolConnection } from './pool-connection.ts';

class FakeConnection implements PoolConnection {
  readonly number: number;
  isUsable = true;
  isReferenced = true;
  end: 'closed' | 'destroyed' | undefined;
  #listeners: (() => void)[] = [];

  constructor(number: number) {
    this.number = number;
  }

  onGone(listener: () => void): void {
    this.#listeners.push(listener);
  }

  ref(): void {
    this.isReferenced = true;
  }

  unref(): void {
    this.isReferenced = false;
  }

  async close(): Promise<void> {
    this.end ??= 'closed';
    this.break();
  }

  destroy(): void {
    this.end ??= 'destroyed';
    this.break();
  }

  break(): void {
    this.isUsable = false;
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

function setup({ connectionCountMax = 2 } = {}) {
  const { clock, timers } = new SimulatedIo();
  const opened: FakeConnection[] = [];
  const failures: Error[] = [];
  const pool = new ConnectionPool<FakeConnection>({
    connectionCountMax,
    idleMsMax: 30_000,
    timers,
    open: async () => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      const connection = new FakeConnection(opened.length + 1);
      opened.push(connection);
      return connection;
    },
    busy: (count) => new Error(`none of ${count}`),
  });
  const pass = (ms: number): void => {
    clock.advance(ms);
    timers.runDue();
  };
  const acquire = (signal?: AbortSignal): Promise<FakeConnection> =>
    pool.acquire({ timeoutMs: 5000, signal: signal && (() => signal) });
  return { pool, opened, failures, pass, acquire, timers };
}

describe('a pool of connections', () => {
  test('opens one when none is idle, and gives the last one that came back', async () => {
    const { pool, acquire } = setup();
    const [first, second] = [await acquire(), await acquire()];
    assert.deepEqual([first.number, second.number], [1, 2]);
    pool.release(first);
    pool.release(second);
    assert.equal((await acquire()).number, 2);
    assert.equal((await acquire()).number, 1);
  });

  test('has never more than its number, and serves who waits in their order', async () => {
    const { pool, acquire, opened } = setup({ connectionCountMax: 1 });
    const first = await acquire();
    const order: string[] = [];
    const waiting = ['a', 'b'].map(async (name) => {
      const connection = await acquire();
      order.push(name);
      pool.release(connection);
    });
    assert.equal(opened.length, 1);
    pool.release(first);
    await Promise.all(waiting);
    assert.deepEqual([order, opened.length], [['a', 'b'], 1]);
  });

  test('gives up waiting at the deadline, or with the signal, and the place goes to the next', async () => {
    const { pool, acquire, pass } = setup({ connectionCountMax: 1 });
    const first = await acquire();
    const abort = new AbortController();
    const [late, aborted] = [acquire(), acquire(abort.signal)];
    abort.abort();
    await assert.rejects(aborted, /none of 1/);
    await assert.rejects(acquire(AbortSignal.abort()), /none of 1/);
    pass(5000);
    await assert.rejects(late, /none of 1/);
    const next = acquire();
    pool.release(first);
    assert.equal((await next).number, 1);
  });

  test('a connection that cannot be opened fails one who waits, and the next one is tried anew', async () => {
    const { failures, acquire } = setup({ connectionCountMax: 1 });
    failures.push(new Error('refused'));
    const [first, second] = [acquire(), acquire()];
    await assert.rejects(first, /refused/);
    assert.equal((await second).number, 1);
  });

  test('opens outside of any transaction, for whomever it is', async () => {
    const { clock, timers } = new SimulatedIo();
    const seen: unknown[] = [];
    const pool = new ConnectionPool<FakeConnection>({
      connectionCountMax: 1,
      idleMsMax: 30_000,
      timers,
      open: async () => {
        seen.push(currentTransaction());
        await undefined;
        seen.push(currentTransaction());
        return new FakeConnection(clock.monotonicNowMs());
      },
      busy: () => new Error('busy'),
    });
    const transaction = { enlist: async () => assert.fail('nothing is enlisted') };
    await runInTransaction(transaction, async () => {
      const first = await pool.acquire({ timeoutMs: 5000 });
      const next = pool.acquire({ timeoutMs: 5000 });
      pool.discard(first);
      await next;
      assert.equal(currentTransaction(), transaction, 'the caller is where it was');
    });
    assert.deepEqual(seen, [undefined, undefined, undefined, undefined]);
  });

  test('a discarded connection is cut, and makes room', async () => {
    const { pool, acquire, opened } = setup({ connectionCountMax: 1 });
    const first = await acquire();
    const next = acquire();
    pool.discard(first);
    assert.equal((await next).number, 2);
    assert.equal(opened[0]?.end, 'destroyed');
  });

  test('one that broke while it was idle, or comes back broken, is not given again', async () => {
    const { pool, acquire } = setup();
    const first = await acquire();
    pool.release(first);
    first.break();
    const second = await acquire();
    second.break();
    pool.release(second);
    assert.equal((await acquire()).number, 3);
  });

  test('idle ones do not keep the process alive, and are closed after their time', async () => {
    const { pool, acquire, pass } = setup();
    const first = await acquire();
    pool.release(first);
    assert.equal(first.isReferenced, false);
    assert.equal((await acquire()).isReferenced, true);
    pool.release(first);
    pass(29_999);
    assert.equal(first.end, undefined);
    pass(1);
    assert.equal(first.end, 'closed');
  });

  test('what is opened for somebody who has given up rests for the next', async () => {
    const { acquire, opened } = setup();
    const abort = new AbortController();
    const given = acquire(abort.signal);
    abort.abort();
    await assert.rejects(given, /none of 2/);
    assert.equal((await acquire()).number, 1);
    assert.equal(opened.length, 1);
  });

  test('R7: closing ends the idle ones, waits for those in use, and what comes later opens new ones', async () => {
    const { pool, acquire } = setup();
    const [idle, busy] = [await acquire(), await acquire()];
    pool.release(idle);
    let isClosed = false;
    const closing = pool.close().then(() => {
      isClosed = true;
    });
    assert.equal(idle.end, 'closed');
    const later = await acquire();
    pool.release(later);
    assert.equal(isClosed, false);
    pool.release(busy);
    await closing;
    assert.deepEqual([busy.end, later.end], ['closed', undefined]);
  });

  test('more room lets those in who wait', async () => {
    const { pool, acquire } = setup({ connectionCountMax: 1 });
    await acquire();
    const next = acquire();
    pool.resize(2);
    assert.equal((await next).number, 2);
  });

  test('R7: a cut ends all connections at once, and refuses those who wait for one', async () => {
    const { pool, acquire } = setup({ connectionCountMax: 2 });
    const [idle, busy] = [await acquire(), await acquire()];
    pool.release(idle);
    const closing = pool.close();
    const other = await acquire();
    const waiting = acquire();
    pool.cut();
    await closing;
    assert.deepEqual([busy.end, other.end], ['destroyed', 'destroyed']);
    await assert.rejects(waiting);
    pool.release(busy);
    assert.equal((await acquire()).isUsable, true);
  });
});
