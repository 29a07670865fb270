import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UnrecoverableError } from '../../src/recoverability/errors.ts';
import { DatabaseEndpointStory } from '../support/database-endpoint-story.ts';
import { keepingLogger } from '../support/keeping-logger.ts';

const oneAttempt = { immediateRetries: 0, delayedRetries: 0 };

describe('when a database is fenced', () => {
  test('its endpoints receive nothing and say why, until an operator accepts the store', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const lines: string[] = [];
    const first = story.resource('orders');
    const before = story.endpoint('sales', { resources: [first] });
    before.handle('Order', () => first.insert('before'));
    await before.start();
    await story.restart();
    story.raiseWitnessOfAnotherLife(story.orders);
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], logger: keepingLogger(lines) });
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await orders.insert('order');
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.advance(300_000);
    assert.deepEqual(attempts, []);
    assert.equal(lines.filter((line) => /receives nothing: database 'orders' is fenced/.test(line)).length, 1);
    assert.match(sales.describe().resources[0]?.fenced ?? '', /\w/);
    const { coordinator } = story.manager;
    await coordinator.act({ action: 'forget', id: 'orders', reason: 'looked at every row', by: 'test' });
    await story.settle();
    assert.deepEqual(attempts, [1]);
    assert.deepEqual(story.orders.rows, ['order']);
    assert.equal(sales.describe().resources[0]?.fenced, undefined);
    assert.equal(lines.filter((line) => /receives again/.test(line)).length, 1);
  });

  test('fenced while a handler runs, the message is not counted against its attempts', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', { resources: [orders], recoverability: oneAttempt });
    const goOn = Promise.withResolvers<void>();
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await goOn.promise;
      await orders.insert('order').catch((cause: unknown) => {
        throw new UnrecoverableError('as a library wraps it', { cause });
      });
    });
    await sales.start();
    await sales.sendLocal('Order', {});
    await story.settle();
    story.raiseWitnessOfAnotherLife(story.orders);
    await story.advance(120_000); // recovery reads the witness again
    goOn.resolve();
    await story.advance(120_000);
    assert.deepEqual(attempts, [1]);
    assert.equal(story.status('error')?.messages ?? 0, 0);
    const { coordinator } = story.manager;
    await coordinator.act({ action: 'forget', id: 'orders', reason: 'looked at every row', by: 'test' });
    await story.settle();
    assert.deepEqual(attempts, [1, 1]);
    assert.deepEqual(story.orders.rows, ['order']);
  });

  test('one that turns out to be unfit keeps messages waiting in the same way, until its server is put right', async () => {
    await using story = await DatabaseEndpointStory.begin();
    const lines: string[] = [];
    const orders = story.resource('orders');
    const sales = story.endpoint('sales', {
      resources: [orders],
      recoverability: oneAttempt,
      logger: keepingLogger(lines),
    });
    const attempts: number[] = [];
    sales.handle('Order', async (_order, context) => {
      attempts.push(context.attempt.total);
      await orders.insert('order');
    });
    story.orders.isDown = true;
    await sales.start();
    const fit = story.orders.inspection;
    story.orders.inspection = { ...fit, markerObstacle: { what: 'it is read-only', mend: 'Promote it.' } };
    story.orders.isDown = false;
    await sales.sendLocal('Order', {});
    await story.advance(300_000);
    assert.deepEqual(attempts, [1]);
    assert.ok(lines.some((line) => /receives nothing: database 'orders' is unfit/.test(line)));
    story.orders.inspection = fit;
    await story.advance(300_000);
    assert.deepEqual(attempts, [1, 1]);
    assert.deepEqual(story.orders.rows, ['order']);
    assert.equal(story.status('error')?.messages ?? 0, 0);
  });
});
