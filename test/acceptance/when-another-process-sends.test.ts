import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Endpoint } from '../../src/endpoint/endpoint.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { readOwnerRecord } from '../../src/store/owner-record.ts';
import { browseAll } from '../support/browse-all.ts';
import {
  fixture,
  type RunningCommand,
  startFixture,
  startPosthorn,
  temporaryDirectory,
} from '../support/command-line.ts';
import { idsIn } from '../support/failed-orders.ts';
import { FakeDatabase } from '../support/fake-database.ts';
import { Life } from '../support/fake-server.ts';

function startWeb(directory: string, count: number, first = 0) {
  return startFixture('web.ts', [String(count), String(first)], { env: { POSTHORN_DIRECTORY: directory } });
}

function startLastingWeb(directory: string, orderId: string) {
  return startFixture('lasting-web.ts', [orderId], { env: { POSTHORN_DIRECTORY: directory } });
}

function numbersOf(stdout: string): string[] {
  return stdout.split('\n').filter((line) => /^\d+$/.test(line));
}

async function ids(manager: QueueManager, queue: string): Promise<string[]> {
  return (await browseAll(manager, queue)).map(({ id }) => id);
}

describe('when another process sends', { concurrency: 2 }, () => {
  test('its messages are stored by the owner, in order, and it needs no queue of its own', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    const web = await startWeb(data.path, 2000).ended;
    assert.equal(web.exitCode, 0, web.stderr);
    assert.equal(numbersOf(web.stdout).length, 2000);
    assert.deepEqual(
      manager.status().map(({ queue }) => queue),
      ['sales'],
    );
    assert.deepEqual((await ids(manager, 'sales')).slice(0, 3), ['order-0', 'order-1', 'order-2']);
    assert.equal(manager.status()[0]?.messages, 2000);
    const leftovers = await manager.readState({ prefix: 'sent/', countMax: 10 });
    assert.deepEqual(leftovers.entries, [], 'names of sends are forgotten when their answers arrived');
  });

  test('an owner that is killed and started again loses and doubles nothing of it', { timeout: 60_000 }, async () => {
    using data = temporaryDirectory();
    let host = startPosthorn(['host', fixture('idle.ts'), '--directory', data.path]);
    await host.says('runs in process');
    const count = 20_000;
    const web = startWeb(data.path, count);
    for (let kill = 1; kill <= 4; kill++) {
      await web.says(`\n${kill * 3000}\n`);
      await host.kill('SIGKILL');
      host = startPosthorn(['host', fixture('idle.ts'), '--directory', data.path]);
      await host.says('runs in process');
    }
    const result = await web.ended;
    assert.equal(result.exitCode, 0, result.stderr);
    assert.equal(numbersOf(result.stdout).length, count, 'every send was answered with success');
    await host.kill('SIGTERM');
    const stored = await idsIn(data.path, 'sales');
    assert.equal(stored.length, count);
    assert.equal(new Set(stored).size, count);
  });

  test('what the owner refuses is refused with its code', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    await manager.declareQueue('sales', { quotaMessages: 3 });
    const web = await startWeb(data.path, 5).ended;
    const lines = web.stdout.trim().split('\n').slice(1).sort();
    assert.deepEqual(lines, ['0', '1', '2', '3 QUEUE_FULL', '4 QUEUE_FULL']);
    assert.deepEqual(await ids(manager, 'sales'), ['order-0', 'order-1', 'order-2']);
  });

  test('without an owner it opens the directory itself', async () => {
    using data = temporaryDirectory();
    const web = await startWeb(data.path, 3).ended;
    assert.equal(web.exitCode, 0, web.stderr);
    assert.deepEqual(await idsIn(data.path, 'sales'), ['order-0', 'order-1', 'order-2']);
  });

  test('several that start together without an owner all send: one of them owns, the others go through it', async () => {
    using data = temporaryDirectory();
    const webs = ['1', '2', '3', '4', '5'].map((order) => startLastingWeb(data.path, order));
    await Promise.all(webs.map((web) => web.says('sent')));
    const isOwner = (web: RunningCommand) => readOwnerRecord(data.path)?.pid === web.process.pid;
    const owners = webs.filter(isOwner);
    assert.equal(owners.length, 1);
    const results = await Promise.all(webs.filter((web) => !isOwner(web)).map((web) => web.kill('SIGTERM')));
    results.push(...(await Promise.all(owners.map((web) => web.kill('SIGTERM')))));
    for (const { exitCode, stderr } of results) assert.deepEqual([exitCode, stderr], [0, '']);
    const stored = await idsIn(data.path, 'sales');
    assert.deepEqual(stored.sort(), ['order-1', 'order-2', 'order-3', 'order-4', 'order-5']);
  });

  test('when the one of them that owns is killed, the next that starts takes over, for the others too', async () => {
    using data = temporaryDirectory();
    const owner = startLastingWeb(data.path, '1');
    await owner.says('sent');
    await using other = new Endpoint('other', { sendOnly: true, directory: data.path });
    await other.start();
    await owner.kill('SIGKILL');
    const sending = other.send('Sales.PlaceOrder', {}, { to: 'sales', messageId: 'order-2' });
    const next = startLastingWeb(data.path, '3');
    await next.says('sent');
    await sending;
    await other.stop();
    await next.kill('SIGTERM');
    const stored = await idsIn(data.path, 'sales');
    assert.deepEqual(stored.sort(), ['order-1', 'order-2', 'order-3']);
  });

  test('in the process of the owner it shares the queue manager or goes through the socket, and both store', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    await using web = new Endpoint('web', { sendOnly: true, directory: data.path });
    await web.start();
    await web.send('Sales.PlaceOrder', {}, { to: 'sales', messageId: 'order-1' });
    assert.deepEqual(await ids(manager, 'sales'), ['order-1']);
  });

  test('transactions need a queue manager of its own: they are refused with the mend, with databases at the start', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    await using web = new Endpoint('web', { sendOnly: true, directory: data.path });
    await web.start();
    let runs = 0;
    await assert.rejects(
      web.transaction(() => runs++),
      { code: 'TRANSACTION_NEEDS_QUEUE_MANAGER', message: /directory of its own/ },
    );
    assert.equal(runs, 0);
    const resources = [{ name: 'orders', resourceManager: new FakeDatabase('orders').connect(new Life()) }];
    await using shop = new Endpoint('shop', { sendOnly: true, directory: data.path, resources });
    await assert.rejects(shop.start(), { code: 'TRANSACTION_NEEDS_QUEUE_MANAGER' });
    assert.equal(shop.state, 'created');
    assert.deepEqual(manager.status(), []);
  });

  test('an event reaches those who subscribed at the owner', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    const heard = Promise.withResolvers<unknown>();
    await using sales = new Endpoint('sales', { queueManager: manager }).handle('Shop.Opened', (message) =>
      heard.resolve(message),
    );
    await sales.start();
    await sales.subscribe('Shop.Opened');
    await using web = new Endpoint('web', { sendOnly: true, directory: data.path });
    await web.start();
    await web.publish('Shop.Opened', { at: 'nine' });
    assert.deepEqual(await heard.promise, { at: 'nine' });
  });
});
