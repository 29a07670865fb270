import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { NamedSocket } from './named-socket.ts';
import { NameFailure, type Names } from './network.ts';

/** A server on some addresses of loopback with one port, and names that are answered as `say` has it. */
async function setup(t: TestContext, say: Names['resolve'], address = '127.0.0.1') {
  const server = createServer((socket) => socket.end(`hello from ${address}`));
  server.listen(0, address);
  await once(server, 'listening');
  t.after(() => server.close());
  const bound = server.address();
  const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0;
  const socket = new NamedSocket({ names: { resolve: say }, connectTimeoutMs: 2000 });
  t.after(() => socket.destroy());
  return { socket, port };
}

describe('a socket that resolves by itself', () => {
  test('asks our own resolver for its name, and takes the address that it says', async (t) => {
    const asked: string[] = [];
    const { socket, port } = await setup(t, async (name) => {
      asked.push(name);
      return { addresses: ['127.0.0.1'], source: 'test' };
    });
    socket.connect(port, 'db.invalid');
    const [bytes] = await once(socket, 'data');
    assert.deepEqual([String(bytes), asked], ['hello from 127.0.0.1', ['db.invalid']]);
  });

  test('tries the next address where one refuses', async (t) => {
    const { socket, port } = await setup(t, async () => ({ addresses: ['127.0.0.9', '127.0.0.1'], source: 'test' }));
    socket.connect({ port, host: 'db.invalid' });
    const [bytes] = await once(socket, 'data');
    assert.equal(String(bytes), 'hello from 127.0.0.1');
  });

  test('fails with the resolver’s own words where nobody knows the name', async (t) => {
    const failure = new NameFailure('NOT_FOUND', "Nobody knows 'db.invalid'.");
    const { socket, port } = await setup(t, () => Promise.reject(failure));
    socket.connect(port, 'db.invalid');
    await assert.rejects(once(socket, 'connect'), failure);
  });

  test('fails at its deadline where a resolver never answers', async (t) => {
    const { socket, port } = await setup(t, () => new Promise(() => undefined));
    socket.connect(port, 'db.invalid');
    await assert.rejects(once(socket, 'connect'), /db\.invalid, port \d+ did not answer within 2000 ms/);
  });

  test('needs no resolver for an address', async (t) => {
    const { socket, port } = await setup(t, () => assert.fail('it was asked'));
    socket.connect(port, '127.0.0.1');
    await once(socket, 'data');
  });
});
