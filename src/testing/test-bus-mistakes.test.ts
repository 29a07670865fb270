import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Endpoint } from '../endpoint/endpoint.ts';
import type { EndpointOptions } from '../endpoint/endpoint-options.ts';
import type { EndpointMaker } from './bus-life.ts';
import type { FailOnceOptions } from './fault-plan.ts';
import { createTestBus, type TestBusOptions } from './test-bus.ts';

function sales(options: EndpointOptions): Endpoint {
  return new Endpoint('sales', options).handle('Order', () => undefined);
}

describe('test bus: mistakes', () => {
  test('an endpoint that did not get the options of the bus is refused before it is started, and no store is made', async () => {
    const directory = join(mkdtempSync(join(tmpdir(), 'posthorn-')), 'data');
    const forgetful = [
      () => new Endpoint('sales', { directory }),
      ({ io, logger }: EndpointOptions) =>
        new Endpoint('sales', { directory, ...(io && { io }), ...(logger && { logger }) }),
    ];
    for (const make of forgetful) {
      const refusal = { code: 'INVALID_OPTION', message: /'sales'.*\(options\) => new Endpoint\('sales', options\)/ };
      await assert.rejects(createTestBus({ endpoints: [make] }), refusal);
      await using bus = await createTestBus();
      await assert.rejects(bus.add(make), refusal);
      assert.throws(() => bus.endpoint('sales'), { code: 'NO_SUCH_TEST_ENDPOINT' });
    }
    assert.equal(existsSync(directory), false);
    rmSync(join(directory, '..'), { recursive: true });
  });

  test('an endpoint on the queue manager of another bus is refused', async () => {
    await using other = await createTestBus();
    const { queueManager } = other;
    await assert.rejects(createTestBus({ endpoints: [(options) => sales({ ...options, queueManager })] }), {
      code: 'INVALID_OPTION',
    });
  });

  test('a maker that keeps the options of a process that died is refused when the next one starts', async () => {
    let first: EndpointOptions | undefined;
    await using bus = await createTestBus({
      endpoints: [
        (options) => {
          first ??= options;
          return sales(first);
        },
      ],
    });
    await assert.rejects(bus.crash(), { code: 'INVALID_OPTION' });
  });

  test('two makers of one name are refused, and a name is free again when its endpoint could not start', async () => {
    await assert.rejects(createTestBus({ endpoints: [sales, sales] }), {
      code: 'INVALID_OPTION',
      message: /two.*'sales'/,
    });
    await using bus = await createTestBus();
    const failing: EndpointMaker = (options) =>
      new Endpoint('sales', { ...options, recoverability: { errorQueue: 'sales@test' } });
    await assert.rejects(bus.add(failing), { code: 'INVALID_OPTION' });
    await bus.add(sales);
    await assert.rejects(bus.add(sales), { code: 'INVALID_OPTION', message: /two.*'sales'/ });
    await bus.crash();
    assert.equal(bus.endpoint('sales').state, 'running');
  });

  const options: [what: string, options: unknown, text: RegExp][] = [
    [
      'an endpoint for a maker',
      { endpoints: [new Endpoint('sales')] },
      /'endpoints\[0\]' is an instance of Endpoint\. /,
    ],
    ['a maker alone', { endpoints: sales }, /'endpoints' is a function\. Give an array\./],
    ['a maker that makes a promise', { endpoints: [async () => new Endpoint('sales')] }, /is an instance of Promise/],
    ['a misspelt option', { endpoint: [] }, /'endpoint' does not exist.*'endpoints'/],
    ['a time that is none', { now: Date.now() }, /'now' is \d+/],
    ['no options', null, /'options' is null/],
  ];
  for (const [what, given, text] of options) {
    test(`${what} is refused, with the mend`, async () => {
      await assert.rejects(createTestBus(given as TestBusOptions), { code: 'INVALID_OPTION', message: text });
    });
  }

  test('time moves by milliseconds, and not backwards', async () => {
    await using bus = await createTestBus();
    const before = bus.now();
    for (const byMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5'] as number[]) {
      await assert.rejects(bus.advance(byMs), { code: 'INVALID_OPTION', message: /'byMs' is / });
      await assert.rejects(bus.crash({ downForMs: byMs }), { code: 'INVALID_OPTION', message: /'downForMs' is / });
      await assert.rejects(bus.restart({ downForMs: byMs }), { code: 'INVALID_OPTION', message: /'downForMs' is / });
    }
    assert.throws(() => bus.jumpWallClock(Number.NaN), { code: 'INVALID_OPTION' });
    assert.deepEqual(bus.now(), before);
    bus.jumpWallClock(-1);
    assert.equal(bus.now().getTime(), before.getTime() - 1);
  });

  test('a failure at a place that does not exist, or narrowed down by a misspelt option, is refused', async () => {
    await using bus = await createTestBus();
    const wrong: [unknown, RegExp][] = [
      [{ at: 'beforeComit' }, /'failOnce\.at' is 'beforeComit'\. Give one of: beforeHandler, beforeCommit/],
      [{}, /'failOnce\.at' is missing/],
      [{ at: 'atCommit', mesage: 'Order' }, /'failOnce\.mesage' does not exist.*'message'/],
      [{ at: 'atCommit', error: 'boom' }, /'failOnce\.error' is 'boom'/],
    ];
    for (const [given, message] of wrong) {
      assert.throws(() => bus.failOnce(given as FailOnceOptions), { code: 'INVALID_OPTION', message });
    }
  });

  test('a failure may be asked for in an endpoint that is added later', async () => {
    await using bus = await createTestBus();
    const fault = bus.failOnce({ at: 'beforeHandler', endpoint: 'sales' });
    await bus.add(sales);
    await bus.send('Order', {});
    await bus.quiet();
    assert.equal(fault.hasHappened, true);
  });

  test('a queue that no queue can be called, and a kind of queue that there is not, are refused', async () => {
    await using bus = await createTestBus();
    assert.deepEqual(await bus.messagesIn('later'), []);
    assert.deepEqual(await bus.messagesIn('later@beta', 'journal'), []);
    await assert.rejects(bus.messagesIn('no spaces'), { code: 'INVALID_ADDRESS' });
    await assert.rejects(bus.messagesIn('sales', 'delyed' as never), { code: 'INVALID_OPTION', message: /'delyed'/ });
    await assert.rejects(bus.quiet({ limit: 5 } as never), { code: 'INVALID_OPTION', message: /'limitMs'/ });
  });
});
