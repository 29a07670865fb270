import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Endpoint } from '../../src/endpoint/endpoint.ts';
import type { EndpointOptions } from '../../src/endpoint/endpoint-options.ts';
import type { Logger } from '../../src/io/logger.ts';
import { defineCommand, defineEvent } from '../../src/message/define-contract.ts';
import { publisher } from '../../src/routing/publisher.ts';
import { route } from '../../src/routing/route.ts';
import { EndpointStory } from '../support/endpoint-story.ts';

/** As far as a constructor looks. */
const orders = { name: 'orders', resourceManager: { name: 'orders', begin: () => undefined } };
const PlaceOrder = defineCommand('Sales.PlaceOrder');
const OrderPlaced = defineEvent('Sales.OrderPlaced');

describe('when an endpoint is configured', () => {
  const refusals: [what: string, code: string, text: RegExp, options: unknown][] = [
    [
      'an option that does not exist',
      'INVALID_OPTION',
      /'recoverabilty' does not exist.*'recoverability'/,
      { recoverabilty: {} },
    ],
    [
      'an option of recoverability that does not exist',
      'INVALID_OPTION',
      /'recoverability\.imediateRetries'.*'immediateRetries'/,
      { recoverability: { imediateRetries: 1 } },
    ],
    [
      'an option of a rule that does not exist',
      'INVALID_OPTION',
      /'recoverability\.rules\[1\]\.whenErorr'.*'whenError'/,
      { recoverability: { rules: [{}, { whenErorr: Error }] } },
    ],
    [
      'a mode that does not exist',
      'INVALID_OPTION',
      /'transactions\.mode' is 'atomic'/,
      { transactions: { mode: 'atomic' } },
    ],
    [
      'databases in a mode that takes none along',
      'INVALID_OPTION',
      /'resources' is given, but transactions\.mode is 'receiveOnly'.*'distributed'/,
      { transactions: { mode: 'receiveOnly' }, resources: [orders] },
    ],
    [
      'databases in the role client',
      'INVALID_OPTION',
      /'resources' is given, but the role 'client' means 'none'/,
      { role: 'client', resources: [orders] },
    ],
    [
      'two databases of one name',
      'INVALID_OPTION',
      /'resources\[1\]' is the second one named 'orders'/,
      { resources: [orders, { ...orders }] },
    ],
    ['a pool for a database', 'INVALID_OPTION', /'resources\[0\]' is no resource/, { resources: [{ query() {} }] }],
    [
      'a protocol that does not exist',
      'INVALID_OPTION',
      /'transactions\.protocol' is '2pc'.*twoPhase/,
      { transactions: { protocol: '2pc' } },
    ],
    [
      'sends that become visible some time',
      'INVALID_OPTION',
      /'transactions\.sendsVisible' is 'soon'/,
      { transactions: { sendsVisible: 'soon' } },
    ],
    ['a role that does not exist', 'INVALID_OPTION', /'role' is 'publisher'.*server, client/, { role: 'publisher' }],
    ['no concurrency', 'INVALID_OPTION', /'concurrency' is 0/, { concurrency: 0 }],
    ['half a handler', 'INVALID_OPTION', /'concurrency' is 1\.5/, { concurrency: 1.5 }],
    ['a timeout of no time', 'INVALID_OPTION', /'transactions\.timeoutMs' is 0/, { transactions: { timeoutMs: 0 } }],
    ['negative retries', 'INVALID_OPTION', /immediateRetries' is -1/, { recoverability: { immediateRetries: -1 } }],
    ['more jitter than delay', 'INVALID_OPTION', /jitter' is 2/, { recoverability: { jitter: 2 } }],
    [
      'an error queue that is no name',
      'INVALID_ADDRESS',
      /not an address/,
      { recoverability: { errorQueue: 'no spaces' } },
    ],
    [
      'its own queue as error queue',
      'INVALID_OPTION',
      /the endpoint's own queue/,
      { recoverability: { errorQueue: 'sales' } },
    ],
    ['its own queue for audits', 'INVALID_OPTION', /the endpoint's own queue/, { audit: { queue: 'sales' } }],
    [
      'immediate retries without a transaction',
      'INVALID_OPTION',
      /immediateRetries' is 1, but in mode 'none'/,
      { transactions: { mode: 'none' }, recoverability: { immediateRetries: 1 } },
    ],
    [
      'delayed retries of a rule without a transaction',
      'INVALID_OPTION',
      /rules\[0\]\.delayedRetries' is 2, but in mode 'none'/,
      { role: 'client', recoverability: { rules: [{ delayedRetries: 2 }] } },
    ],
    [
      'two contracts of one name',
      'CONTRACT_CONFLICT',
      /Two different contracts/,
      { contracts: [PlaceOrder, defineCommand('Sales.PlaceOrder')] },
    ],
  ];
  const shapes: [text: RegExp, options: unknown][] = [
    [/'options' is null\. Give an object/, null],
    [/'options' is an array/, []],
    [/'dir' does not exist\. Did you mean 'directory'/, { dir: 'x' }],
    [/'directory' is 5\. Give a text/, { directory: 5 }],
    [/'sendOnly' is 'yes'\. Give true or false/, { sendOnly: 'yes' }],
    [/'concurrency' is '4'\. Give a whole number, 1 or more/, { concurrency: '4' }],
    [/'logger' is an object\. Give \{ debug/, { logger: {} }],
    [/'queueManager' is an object\. Give what QueueManager\.open/, { queueManager: {} }],
    [/'queueManager' is an instance of Promise/, { queueManager: Promise.resolve() }],
    [/'recoverability' is 5\. Give an object/, { recoverability: 5 }],
    [/'recoverability\.policy' is 'x'\. Give a function/, { recoverability: { policy: 'x' } }],
    [/'recoverability\.errorQueue' is 5\. Write 'queue'/, { recoverability: { errorQueue: 5 } }],
    [/'recoverability\.rules' is an object\. Give an array/, { recoverability: { rules: {} } }],
    [/'recoverability\.rules\[1\]' is null\. Give an object/, { recoverability: { rules: [{}, null] } }],
    [/'recoverability\.rules\[0\]\.whenError' is 5/, { recoverability: { rules: [{ whenError: 5 }] } }],
    [/'recoverability\.unrecoverableErrors\[0\]' is null/, { recoverability: { unrecoverableErrors: [null] } }],
    [/afterConsecutiveFailures' is missing/, { recoverability: { rateLimit: {} } }],
    [/'audit\.queue' is missing/, { audit: {} }],
    [/'routes' is an object\. Give an array/, { routes: {} }],
    [/'routes\[0\]' is an array\. Make it with route/, { routes: [['A', 'b']] }],
    [/'publishers\[0\]' is 'x'\. Make it with publisher/, { publishers: ['x'] }],
    [/'contracts' is an object/, { contracts: {} }],
    [/'contracts\[0\]' is a function\. Give what defineCommand/, { contracts: [class PlaceOrderClass {}] }],
    [/'serializers\[0\]' is an object\. Give \{ contentType/, { serializers: [{}] }],
    [/'resources' is an object/, { resources: {} }],
  ];
  for (const [text, options] of shapes) {
    test(`a value of the wrong shape is refused: ${text.source.replaceAll('\\', '')}`, () => {
      assert.throws(() => new Endpoint('sales', options as EndpointOptions), { code: 'INVALID_OPTION', message: text });
    });
  }

  test('a handler, a behavior or a listener that could never be called is refused', async () => {
    const sales = new Endpoint('sales');
    const wrong: [() => unknown, RegExp][] = [
      [() => sales.handle('Order', undefined as never), /'handler' is undefined\. Give a function/],
      [() => sales.on('handeld' as never, () => undefined), /'event' is 'handeld'\. Give one of: started, .*handled/],
      [() => sales.on('handled', undefined as never), /'listener' is undefined/],
      [() => sales.use('incoming' as never, async () => undefined), /'stage' is 'incoming'\. Give one of: incomingPh/],
      [() => sales.use('incomingLogical', undefined as never), /'behavior' is undefined/],
    ];
    for (const [call, message] of wrong) assert.throws(call, { code: 'INVALID_OPTION', message });
    assert.throws(() => sales.handle(5 as never, () => undefined), { code: 'INVALID_MESSAGE_TYPE' });
    await assert.rejects(sales.transaction(undefined as never), {
      code: 'INVALID_OPTION',
      message: /'action' is undef/,
    });
    await assert.rejects(sales.stop({ timeout: 5 } as never), { code: 'INVALID_OPTION', message: /'timeoutMs'/ });
    await assert.rejects(sales.stop({ timeoutMs: '5' } as never), { code: 'INVALID_OPTION', message: /is '5'/ });
    assert.equal(sales.state, 'created');
    await sales.stop({ timeoutMs: Number.POSITIVE_INFINITY });
    assert.equal(sales.state, 'stopped');
  });

  test('a route or publisher of what is no type, or to what is no queue, is refused', () => {
    assert.throws(() => route(undefined as never, 'x'), { code: 'INVALID_MESSAGE_TYPE' });
    assert.throws(() => route('Order', 5 as never), { code: 'INVALID_ADDRESS' });
    assert.throws(() => publisher(null as never, 'x@y'), { code: 'INVALID_MESSAGE_TYPE' });
  });

  for (const [what, code, text, options] of refusals) {
    test(`${what} is refused before anything is opened, with the mend`, () => {
      assert.throws(() => new Endpoint('sales', options as EndpointOptions), { code, message: text });
    });
  }

  test('a name that is no queue’s is refused', () => {
    for (const name of ['', 'no spaces', '../x', undefined as never, 5 as never])
      assert.throws(() => new Endpoint(name), { code: 'INVALID_ADDRESS' });
    assert.throws(() => new Endpoint('sales@alpha'), { code: 'INVALID_OPTION' });
  });

  test('a second handler of a command is refused; an event may have several', () => {
    const sales = new Endpoint('sales');
    sales
      .handle(PlaceOrder, () => undefined)
      .handle(OrderPlaced, () => undefined)
      .handle(OrderPlaced, () => undefined);
    assert.throws(() => sales.handle(PlaceOrder, () => undefined), { code: 'SECOND_HANDLER' });
  });

  test('its start tells in one line what it does, with the attempts in all', async () => {
    await using story = await EndpointStory.begin();
    const lines: string[] = [];
    const keep = (text: string): void => void lines.push(text);
    const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
    const sales = story.endpoint('sales', { logger, concurrency: 4 });
    await sales.start();
    assert.deepEqual(lines, [
      "Endpoint 'sales' handles sales@alpha: mode sendsAtomicWithReceive, 4 at a time, attempts at most 24 (6 × 4), then 'error'.",
    ]);
  });

  test('it says what it is and does', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { concurrency: 3, routes: [route('Bill', 'billing@alpha')] });
    sales.handle(PlaceOrder, () => undefined);
    assert.equal(sales.describe().address, undefined);
    await sales.start();
    assert.deepEqual(sales.describe(), {
      name: 'sales',
      address: 'sales@alpha',
      state: 'running',
      mode: 'sendsAtomicWithReceive',
      timeoutMs: 600_000,
      resources: [],
      isolationLevel: 'read committed',
      sendsVisible: 'afterBranches',
      concurrency: 3,
      handlersRunning: 0,
      isRateLimited: false,
      attemptsMax: 24,
      errorQueue: 'error',
      retries: {
        immediateRetries: 5,
        delayedRetries: 3,
        delayedRetryIncreaseMs: 10_000,
        delayedRetryMaxMs: 86_400_000,
        backoff: 'linear',
        jitter: 0,
        errorQueue: 'error',
      },
      ruleCount: 0,
      unrecoverableErrorCount: 0,
      hasOwnPolicy: false,
      routes: { Bill: 'billing@alpha' },
      publishers: {},
      handledTypes: ['Sales.PlaceOrder'],
    });
  });

  test('its concurrency bounds the handlers that run, and may change while it runs', async () => {
    await using story = await EndpointStory.begin();
    let running = 0;
    const waiting: (() => void)[] = [];
    const sales = story.endpoint('sales', { concurrency: 2 });
    sales.handle('Order', async () => {
      running++;
      await new Promise<void>((resolve) => waiting.push(resolve));
      running--;
    });
    const endThoseThatRun = async (): Promise<void> => {
      for (const end of waiting.splice(0)) end();
      await story.settle();
    };
    await sales.start();
    for (let index = 0; index < 20; index++) await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(running, 2);
    sales.concurrency = 5;
    await story.settle();
    assert.equal(running, 5);
    sales.concurrency = 1;
    await story.settle();
    assert.equal(running, 5);
    await endThoseThatRun();
    assert.equal(running, 1);
    assert.throws(
      () => {
        sales.concurrency = 0;
      },
      { code: 'INVALID_OPTION' },
    );
    sales.concurrency = 100;
    await story.settle();
    assert.equal(running, 15);
    await endThoseThatRun();
    assert.equal(story.status('sales')?.messages, 0);
  });

  test('behaviors stand around every message, in their stage, in the order in which they were added', async () => {
    await using story = await EndpointStory.begin();
    const walk: string[] = [];
    const sales = story.endpoint('sales');
    sales.use('incomingLogical', async (context, next) => {
      walk.push(`logical in ${JSON.stringify(context.message)}`);
      context.message = { changed: true };
      await next();
      walk.push('logical out');
    });
    sales.use('incomingPhysical', async function first(context, next) {
      walk.push(`first in ${context.body.byteLength} bytes`);
      await next();
      walk.push('first out');
    });
    sales.use('incomingPhysical', async function second(_context, next) {
      walk.push('second in');
      await next();
    });
    sales.handle('Order', (order) => walk.push(`handler ${JSON.stringify(order)}`));
    await sales.start();
    await sales.sendLocal('Order', { a: 1 });
    await story.settle();
    assert.deepEqual(walk, [
      'first in 7 bytes',
      'second in',
      'logical in {"a":1}',
      'handler {"changed":true}',
      'logical out',
      'first out',
    ]);
  });

  test('a behavior that calls next twice fails the message, whose handlers ran once', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { recoverability: { immediateRetries: 0, delayedRetries: 0 } });
    let handled = 0;
    sales.use('incomingLogical', async function twice(_context, next) {
      await next();
      await next();
    });
    sales.handle('Order', () => handled++);
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    assert.equal(handled, 1);
    const { headers } = await story.onlyMessageIn('error');
    assert.equal(headers['NServiceBus.ExceptionInfo.ExceptionType'], 'NextCalledTwice');
  });
});
