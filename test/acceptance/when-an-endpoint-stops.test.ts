import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EndpointStory, record, typed } from '../support/endpoint-story.ts';

describe('when an endpoint stops', () => {
  test('it waits for what runs, and takes nothing more', async () => {
    await using story = await EndpointStory.begin();
    const goOn = Promise.withResolvers<void>();
    const sales = story.endpoint('sales', { concurrency: 1 });
    let begun = 0;
    sales.handle('Order', async (_order, context) => {
      begun++;
      await goOn.promise;
      await context.send('Bill', {}, { to: 'billing' });
    });
    await story.put('sales', { headers: typed('Order') });
    await story.put('sales', { headers: typed('Order') });
    await sales.start();
    await story.settle();
    let isStopped = false;
    const stopping = sales.stop({ timeoutMs: 60_000 }).then(() => {
      isStopped = true;
    });
    await story.advance(59_999);
    assert.equal(isStopped, false);
    assert.equal(sales.state, 'stopping');
    goOn.resolve();
    await stopping;
    assert.equal(begun, 1);
    assert.equal(sales.state, 'stopped');
    assert.equal(story.status('billing')?.messages, 1);
    assert.equal(story.status('sales')?.messages, 1);
  });

  test('after its time it aborts what still runs: those messages are available at once, and no failure is counted', async () => {
    await using story = await EndpointStory.begin();
    const first = story.endpoint('sales');
    let reason: unknown;
    first.handle('Order', async (_order, context) => {
      await context.send('Bill', {}, { to: 'billing' });
      const { signal } = context;
      await new Promise(() => {
        signal.addEventListener('abort', () => {
          reason = signal.reason;
        });
      });
    });
    await first.start();
    await first.sendLocal('Order', {});
    await story.settle();
    const stopping = first.stop({ timeoutMs: 5_000 });
    await story.advance(5_000);
    await stopping; // although the handler never ends
    assert.equal((reason as { code?: string }).code, 'HANDLER_ABORTED');
    assert.equal(story.status('billing')?.messages ?? 0, 0);
    const second = story.endpoint('sales');
    const numbers: number[] = [];
    second.handle('Order', (_order, context) => numbers.push(context.attempt.total));
    await second.start();
    await story.settle();
    assert.deepEqual(numbers, [1]);
  });

  test('in mode none an aborted message goes to the error queue, because it is nowhere else', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales', { transactions: { mode: 'none' } });
    sales.handle('Order', () => new Promise(() => undefined));
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    const stopping = sales.stop({ timeoutMs: 0 });
    await story.advance(0);
    await stopping;
    await story.onlyMessageIn('error');
  });

  test('start and stop may be called twice, and stop before start', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    sales.handle('Order', () => undefined);
    const started = record(sales, 'started');
    const stopped = record(sales, 'stopped');
    await Promise.all([sales.start(), sales.start()]);
    await sales.start();
    assert.equal(started.length, 1);
    await Promise.all([sales.stop(), sales.stop()]);
    await sales.stop();
    assert.equal(stopped.length, 1);
    await assert.rejects(sales.start(), { code: 'ENDPOINT_STOPPED' });
    const never = story.endpoint('never');
    await never.stop();
    assert.equal(never.state, 'stopped');
    await assert.rejects(never.start(), { code: 'ENDPOINT_STOPPED' });
  });

  test('stop during start waits for it, and then stops', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    sales.handle('Order', () => undefined);
    const starting = sales.start();
    const stopping = sales.stop();
    await Promise.all([starting, stopping]);
    assert.equal(sales.state, 'stopped');
  });

  test('it can be left to `await using`', async () => {
    await using story = await EndpointStory.begin();
    let kept: { state: string } | undefined;
    {
      await using sales = story.endpoint('sales');
      await sales.start();
      kept = sales;
    }
    assert.equal(kept.state, 'stopped');
  });

  test('what is asked of it before the start and after the stop is refused with the mend', async () => {
    await using story = await EndpointStory.begin();
    const sales = story.endpoint('sales');
    await assert.rejects(sales.send('Order', {}, { to: 'x' }), { code: 'ENDPOINT_NOT_RUNNING' });
    await assert.rejects(sales.subscribe('Order'), { code: 'ENDPOINT_NOT_RUNNING' });
    await sales.start();
    assert.throws(() => sales.handle('Order', () => undefined), { code: 'ENDPOINT_ALREADY_STARTED' });
    assert.throws(() => sales.use('incomingLogical', (_context, next) => next()), { code: 'ENDPOINT_ALREADY_STARTED' });
    await sales.stop();
    await assert.rejects(sales.publish('Order', {}), { code: 'ENDPOINT_NOT_RUNNING' });
  });
});
