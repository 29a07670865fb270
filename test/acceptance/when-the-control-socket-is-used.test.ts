import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { connectOperations } from '../../src/operations/connect.ts';
import { ControlClient } from '../../src/operations/control-client.ts';
import { encodeFrame } from '../../src/operations/frame.ts';
import { CONTROL_CONNECTIONS_MAX, FRAME_BYTES_MAX } from '../../src/operations/limits.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { readOwnerRecord } from '../../src/store/owner-record.ts';
import { posthorn, temporaryDirectory } from '../support/command-line.ts';
import { failOrders } from '../support/failed-orders.ts';

function socketPathOf(manager: QueueManager): string {
  const path = readOwnerRecord(manager.directory)?.socketPath;
  assert.ok(path !== undefined);
  return path;
}

/** Writes bytes to the socket and waits until the other end closes the connection. */
function feed(path: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(bytes));
    socket.on('close', () => resolve());
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve() : reject(error)));
    socket.resume();
  });
}

function frameOf(...bytes: readonly number[]): Uint8Array {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(bytes.length);
  return Buffer.concat([head, Buffer.from(bytes)]);
}

describe('when the control socket is used', () => {
  test('nobody but its user gets to it, and it goes with the queue manager', async () => {
    using data = temporaryDirectory();
    const manager = await openQueueManager({ directory: data.path });
    const path = socketPathOf(manager);
    assert.equal(path, join(data.path, 'control', 'control.sock'));
    assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
    await manager.close();
    assert.equal(existsSync(path), false);
  });

  test('what a dead owner left in its place, and a directory that others could enter, are put right', async () => {
    using data = temporaryDirectory();
    mkdirSync(join(data.path, 'control'), { mode: 0o755 });
    writeFileSync(join(data.path, 'control', 'control.sock'), 'left behind');
    await using manager = await openQueueManager({ directory: data.path });
    assert.equal(statSync(join(data.path, 'control')).mode & 0o777, 0o700);
    const client = await ControlClient.connect(socketPathOf(manager));
    assert.deepEqual(await client.ask('listReturns', {}), []);
    client.close();
  });

  test('a second owner that is refused leaves the socket of the first alone', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    await assert.rejects(openQueueManager({ directory: data.path }), { code: 'STORE_OWNED' });
    const client = await ControlClient.connect(socketPathOf(manager));
    assert.deepEqual(await client.ask('listReturns', {}), []);
    client.close();
  });

  test('where the path is too long for a socket it lies in the runtime directory, and the owner record names it', async () => {
    using data = temporaryDirectory();
    const directory = join(data.path, 'long'.repeat(30));
    await using manager = await openQueueManager({ directory });
    const path = socketPathOf(manager);
    assert.ok(Buffer.byteLength(path) <= 100, path);
    assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
    const queues = await posthorn(['queues', '--directory', directory]);
    assert.match(queues.stdout, new RegExp(`runs in process ${process.pid}`));
  });

  test('input that is not the protocol ends that connection and no other', { timeout: 30_000 }, async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    const path = socketPathOf(manager);
    const client = await ControlClient.connect(path);
    const tooLong = Buffer.alloc(4);
    tooLong.writeUInt32BE(FRAME_BYTES_MAX + 1);
    const wrong = [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      tooLong,
      Buffer.alloc(4),
      frameOf(0xc1),
      frameOf(0x92, 1),
      frameOf(0x01),
      encodeFrame({ id: 'x' }),
    ];
    for (const bytes of wrong) await feed(path, bytes);
    assert.deepEqual(await client.ask('listReturns', {}), []);
    client.close();
  });

  test('wrong names and arguments are refused with a code, and the connection goes on', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    await manager.declareQueue('orders');
    const client = await ControlClient.connect(socketPathOf(manager));
    const ask = (operation: string, request: unknown): Promise<unknown> => client.ask(operation as 'send', request);
    const message = { destination: 'orders', headers: { a: 'b' }, body: new Uint8Array() };
    const wrong: readonly [string, unknown, string][] = [
      ['close', {}, 'UNKNOWN_OPERATION'],
      ['toString', {}, 'UNKNOWN_OPERATION'],
      ['listReturns', 7, 'INVALID_REQUEST'],
      ['attach', {}, 'INVALID_REQUEST'],
      ['readMessages', { queue: 'orders', countMax: -1 }, 'INVALID_REQUEST'],
      ['readMessages', { queue: 'order' }, 'QUEUE_NOT_FOUND'],
      ['readMessages', {}, 'INVALID_REQUEST'],
      ['readMessages', { queue: 'orders', filter: { type: 7 } }, 'INVALID_FILTER'],
      ['readMessages', { queue: 'orders', filter: { ids: 'x' } }, 'INVALID_FILTER'],
      ['send', { messages: [{ ...message, body: 'text' }] }, 'INVALID_REQUEST'],
      ['send', { messages: [{ ...message, headers: { a: 7 } }] }, 'INVALID_HEADER'],
      ['send', { messages: [{ ...message, headers: { constructor: 'x' } }] }, 'INVALID_HEADER'],
      ['send', { messages: [{ ...message, destination: '../x' }] }, 'INVALID_ADDRESS'],
      ['send', { messages: [{ ...message, priority: 8 }] }, 'INVALID_REQUEST'],
      ['send', { messages: [message], sendId: 'no/slash' }, 'INVALID_REQUEST'],
      ['send', { messages: [{ ...message, body: new Uint8Array(4 * 1024 * 1024 + 1) }] }, 'MESSAGE_TOO_LARGE'],
      ['movePage', { queue: 'orders', to: 'orders', sequenceMax: 1 }, 'INVALID_OPTION'],
    ];
    for (const [operation, request, code] of wrong)
      await assert.rejects(ask(operation, request), { code }, JSON.stringify([operation, request]).slice(0, 80));
    assert.equal(manager.status()[0]?.messages, 0);
    await ask('send', { messages: [message] });
    assert.equal(manager.status()[0]?.messages, 1);
    client.close();
  });

  test('the largest message passes, and is shown whole', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    const client = await ControlClient.connect(socketPathOf(manager));
    const body = new Uint8Array(4 * 1024 * 1024).fill(7);
    const headers = { 'NServiceBus.MessageId': 'large', filler: 'x'.repeat(60 * 1024) };
    await client.ask('send', { messages: [{ destination: 'orders', headers, body }] });
    const page = (await client.ask('findMessage', { queue: 'orders', id: 'large' })) as {
      message: { body: Uint8Array };
    };
    assert.ok(Buffer.from(body).equals(page.message.body));
    client.close();
  });

  test('more connections than the limit are closed, and the first ones go on', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    const path = socketPathOf(manager);
    const clients = [];
    for (let count = 0; count < CONTROL_CONNECTIONS_MAX; count++) {
      const client = await ControlClient.connect(path);
      await client.ask('listReturns', {});
      clients.push(client);
    }
    const oneMore = await ControlClient.connect(path);
    await oneMore.closed;
    assert.deepEqual(await clients[0]?.ask('listReturns', {}), []);
    for (const client of clients) client.close();
  });

  test('a newer connection of a sender ends its older one', async () => {
    using data = temporaryDirectory();
    await using manager = await openQueueManager({ directory: data.path });
    const path = socketPathOf(manager);
    const older = await ControlClient.connect(path);
    await older.ask('attach', { sender: 'web' });
    const newer = await ControlClient.connect(path);
    await newer.ask('attach', { sender: 'web' });
    await older.closed;
    assert.deepEqual(await newer.ask('listReturns', {}), []);
    newer.close();
  });

  test('operations answer the same on the directory and through the socket', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 12);
    const answers: unknown[] = [];
    for (const isRunning of [false, true]) {
      const manager = isRunning ? await openQueueManager({ directory: data.path }) : undefined;
      const connection = connectOperations({ directory: data.path, io: nodeIo() });
      const { operations } = connection;
      const { pid, ...described } = await operations.describeManager();
      answers.push(
        plain([
          { ...described, highestSequence: 0 },
          (await operations.describeQueues({})).queues.map((queue) => ({ ...queue, oldestAgeMs: undefined })),
          await operations.readMessages({ queue: 'error', filter: { exception: 'declined' } }),
          await operations.groupFailures({ queue: 'error' }),
          await operations.findMessage({ queue: 'error', id: 'order-7' }),
          await operations.readSubscriptions({}),
        ]),
      );
      assert.equal(connection.isRunning, isRunning);
      await connection.close();
      await manager?.close();
    }
    assert.deepEqual(answers[1], answers[0]);
  });
});

function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part) =>
      part?.type === 'Buffer' ? part.data : part instanceof Uint8Array ? [...part] : part,
    ),
  );
}
