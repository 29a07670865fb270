import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { makeTestAuthority } from '../../test/support/certificates.ts';
import { ended, failureOf, listening, silentHandlers } from '../../test/support/connections.ts';
import type { Connection, NetworkListener } from './network.ts';
import { nodeNetwork } from './node-network.ts';

const network = nodeNetwork();

describe('the network door', () => {
  test('bytes go both ways, each end shows the other, and an end in order is no failure', async (t) => {
    const { listener, accepted } = await listening(t, network);
    const near = await connect(listener);
    const far = ended(await accepted());
    const nearEnd = ended(near);
    near.write(Buffer.from('there'));
    await far.says('there');
    far.connection.write(Buffer.from('and back'));
    await nearEnd.says('and back');
    assert.equal(near.remoteAddress, '127.0.0.1');
    assert.equal(near.remotePort, listener.port);
    assert.equal(far.connection.remoteAddress, near.localAddress);
    assert.equal(near.isEncrypted, false);
    assert.deepEqual(near.certificateNames, []);
    near.end();
    assert.equal(await far.closed, undefined);
    assert.equal(await nearEnd.closed, undefined);
  });

  test('an address where nobody listens refuses', async (t) => {
    const { listener } = await listening(t, network);
    await listener.close();
    const failure = await failureOf(connect(listener));
    assert.equal(failure.code, 'REFUSED');
    assert.equal(failure.systemCode, 'ECONNREFUSED');
    assert.ok(failure.message.includes(`127.0.0.1:${listener.port}`), failure.message);
  });

  test('an address that no route leads to is unreachable, and that is known at once', async () => {
    const failure = await failureOf(network.connect({ address: '255.255.255.255', port: 20_001, timeoutMs: 5000 }));
    assert.equal(failure.code, 'UNREACHABLE');
  });

  test('a name is never looked up', async () => {
    const failure = await failureOf(network.connect({ address: 'localhost', port: 20_001, timeoutMs: 5000 }));
    assert.equal(failure.code, 'OTHER');
    assert.match(failure.message, /'localhost' is no address/);
    await assert.rejects(network.listen({ address: 'localhost', port: 0 }, silentHandlers), { code: 'OTHER' });
  });

  test('an address that says nothing times out', async (t) => {
    const port = await deafPort(t);
    const fillers = await fillBacklog(t, port);
    const failure = await failureOf(network.connect({ address: '127.0.0.1', port, timeoutMs: 300 }));
    assert.equal(failure.code, 'TIMEOUT', `${fillers} connections before it`);
    assert.match(failure.message, /did not answer within 300 ms/);
  });

  test('giving up takes effect at once, also before it began', async (t) => {
    const mute = createServer();
    t.after(() => mute.close());
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    const late = new AbortController();
    const tls = await (await makeTestAuthority()).material('alpha');
    const target = { address: '127.0.0.1', port, timeoutMs: 60_000, tls };
    const attempt = failureOf(network.connect({ ...target, signal: late.signal }));
    const [raw] = (await once(mute, 'connection')) as [Socket];
    t.after(() => raw.destroy());
    late.abort();
    assert.equal((await attempt).code, 'ABORTED');
    assert.equal((await failureOf(network.connect({ ...target, signal: AbortSignal.abort() }))).code, 'ABORTED');
  });

  test('a connection that the other side resets has failed; one that this side closes has not', async (t) => {
    const { listener, accepted } = await listening(t, network);
    const raw = connectSocket(listener.port, '127.0.0.1');
    raw.on('error', () => undefined);
    const far = ended(await accepted());
    raw.resetAndDestroy();
    const failure = await far.closed;
    assert.equal(failure?.code, 'RESET');
    assert.equal(failure.systemCode, 'ECONNRESET');

    const near = ended(await connect(listener));
    near.connection.destroy();
    near.connection.write(Buffer.from('nobody hears this'));
    assert.equal(await near.closed, undefined);
  });

  test('a connection that broke before anybody listened to it still tells', async (t) => {
    const { listener, accepted } = await listening(t, network);
    const raw = connectSocket(listener.port, '127.0.0.1');
    raw.on('error', () => undefined);
    const far = await accepted();
    const other = ended(await connect(listener));
    raw.resetAndDestroy();
    // A turn around another connection later, the reset has arrived.
    ended(await accepted()).connection.end();
    await other.closed;
    assert.equal((await ended(far).closed)?.code, 'RESET');
  });

  test('many megabytes in one write wait, flow as fast as they are read, and are told when they are gone', async (t) => {
    const { listener, accepted } = await listening(t, network);
    const near = await connect(listener);
    const far = await accepted();
    const bytes = Buffer.alloc(MEGABYTES * 1024 * 1024, 'x');
    const drained = Promise.withResolvers<void>();
    near.listen({ onBytes: () => undefined, onDrained: () => drained.resolve(), onClosed: () => undefined });
    near.write(bytes);
    assert.equal(near.waitingBytes, bytes.byteLength);
    const whole = Promise.withResolvers<void>();
    let arrivedBytes = 0;
    far.listen({
      onBytes: (part) => {
        arrivedBytes += part.byteLength;
        if (arrivedBytes === bytes.byteLength) whole.resolve();
      },
      onClosed: () => undefined,
    });
    far.pause();
    far.resume();
    await whole.promise;
    await drained.promise;
    assert.equal(near.waitingBytes, 0);
    near.destroy();
  });

  test('closing a listener frees its port at once and leaves accepted connections alone', async (t) => {
    const { listener, accepted } = await listening(t, network);
    const near = ended(await connect(listener));
    const far = ended(await accepted());
    await listener.close();
    const again = await network.listen({ address: '127.0.0.1', port: listener.port }, silentHandlers);
    await again.close();
    near.connection.write(Buffer.from('still here'));
    await far.says('still here');
    near.connection.end();
  });

  test('a taken port, and an address that this machine does not have, are told apart', async (t) => {
    const { listener } = await listening(t, network);
    const taken = await failureOf(network.listen({ address: '127.0.0.1', port: listener.port }, silentHandlers));
    assert.equal(taken.code, 'ADDRESS_IN_USE');
    assert.match(taken.message, new RegExp(`127\\.0\\.0\\.1:${listener.port}: another process has that port`));
    const foreign = await failureOf(network.listen({ address: '203.0.113.77', port: 0 }, silentHandlers));
    assert.equal(foreign.code, 'ADDRESS_NOT_AVAILABLE');
  });

  test('every interface means both families, and IPv4 is shown as IPv4', async (t) => {
    const hasIpv6 = network.interfaceAddresses().includes('::1');
    const { listener, accepted } = await listening(t, network, { address: hasIpv6 ? '::' : '0.0.0.0' });
    for (const address of hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
      const near = await network.connect({ address, port: listener.port, timeoutMs: 5000 });
      const far = await accepted();
      assert.equal(far.remoteAddress, address);
      assert.equal(far.localAddress, address);
      near.destroy();
    }
  });

  test('interfaces are named without zones, loopback with them', () => {
    const addresses = network.interfaceAddresses();
    assert.ok(addresses.includes('127.0.0.1'), addresses.join(' '));
    assert.ok(addresses.every((address) => !address.includes('%')));
  });
});

const MEGABYTES = 64;

function connect(listener: NetworkListener): Promise<Connection> {
  return network.connect({ address: '127.0.0.1', port: listener.port, timeoutMs: 5000 });
}

/** A port whose process is stopped: the system takes connections for it until its backlog is full, then drops them. */
async function deafPort(t: TestContext): Promise<number> {
  const script = `const server = require('node:net').createServer();
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [port] = await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  return Number(String(port));
}

/** Connects until nothing is taken any more; the number of connections that were. */
async function fillBacklog(t: TestContext, port: number): Promise<number> {
  for (let count = 0; count < 10; count++) {
    const filler = network.connect({ address: '127.0.0.1', port, timeoutMs: 200 });
    // The first that is not taken says that the backlog is full.
    const connection = await filler.catch(() => undefined);
    if (connection === undefined) return count;
    t.after(() => connection.destroy());
  }
  return assert.fail('the backlog never fills');
}
