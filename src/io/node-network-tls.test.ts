import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { makeTestAuthority, type TestAuthority } from '../../test/support/certificates.ts';
import { ended, failureOf, listening, silentHandlers } from '../../test/support/connections.ts';
import type { Connection, NetworkFailureCode, NetworkListener, TlsMaterial } from './network.ts';
import { nodeNetwork } from './node-network.ts';

const network = nodeNetwork();
const hastyNetwork = nodeNetwork({ handshakeTimeoutMs: 200 });

let authority: TestAuthority;
let alpha: TlsMaterial;
let beta: TlsMaterial;
let strangers: TestAuthority;

before(async () => {
  authority = await makeTestAuthority();
  // The same name: what counts is the key.
  strangers = await makeTestAuthority();
  alpha = await authority.material('alpha');
  beta = await authority.material('beta');
});

describe('the network door with TLS', () => {
  test('both sides prove a certificate, and each learns the names of the other', async (t) => {
    const { listener, accepted } = await listening(t, network, { tls: beta });
    const near = ended(await connect(listener, alpha));
    const far = ended(await accepted());
    assert.deepEqual(near.connection.certificateNames, ['beta']);
    assert.deepEqual(far.connection.certificateNames, ['alpha']);
    assert.equal(near.connection.isEncrypted, true);
    near.connection.write(Buffer.alloc(10_000_000, 'a'));
    far.connection.write(Buffer.from('posthor'));
    far.connection.write(Buffer.from('n is no notice'));
    await near.says('posthorn is no notice');
    near.connection.end();
    assert.equal(await far.closed, undefined);
    assert.equal(far.said.length, 10_000_000);
    assert.equal(await near.closed, undefined);
  });

  const bad: readonly [string, () => Promise<TlsMaterial>, NetworkFailureCode, RegExp][] = [
    [
      'expired',
      () => authority.material('mallory', { validity: 'expired' }),
      'CERTIFICATE_EXPIRED',
      /\(mallory\) expired on/,
    ],
    [
      'not yet valid',
      () => authority.material('mallory', { validity: 'not yet' }),
      'CERTIFICATE_NOT_YET_VALID',
      /\(mallory\) is not valid before/,
    ],
    [
      'of an unknown authority',
      () => strangers.material('mallory', { authorities: authority.certificate }),
      'CERTIFICATE_UNTRUSTED',
      /authority that this machine does not know/,
    ],
  ];

  for (const [what, make, code, text] of bad) {
    test(`a client whose certificate is ${what} is refused, and both sides can say why`, async (t) => {
      const { listener, refused } = await listening(t, network, { tls: beta });
      const client = ended(await connect(listener, await make()));
      client.connection.write(Buffer.from('a first frame that nobody reads'));
      const { failure, remoteAddress } = await refused();
      assert.equal(failure.code, code);
      assert.match(failure.message, text);
      assert.equal(remoteAddress, '127.0.0.1');
      const closed = await client.closed;
      assert.equal(closed?.code, 'CERTIFICATE_REFUSED');
      assert.equal(closed.systemCode, code);
      assert.equal(client.said, '');
    });

    test(`a server whose certificate is ${what} gets nothing, and both sides can say why`, async (t) => {
      const { listener, accepted } = await listening(t, network, { tls: await make() });
      const failure = await failureOf(connect(listener, alpha));
      assert.equal(failure.code, code);
      assert.match(failure.message, text);
      const server = ended(await accepted());
      assert.equal((await server.closed)?.code, 'CERTIFICATE_REFUSED');
      assert.equal(server.said, '');
    });
  }

  test('a client without a certificate is refused', async (t) => {
    const { listener, refused } = await listening(t, network, { tls: beta });
    const { socket } = await foreignClient(t, listener, {});
    assert.equal((await refused()).failure.code, 'CERTIFICATE_MISSING');
    const [notice] = await once(socket, 'data');
    assert.equal(String(notice), 'posthorn refused: CERTIFICATE_MISSING\n');
  });

  test('a certificate that an authority of ours did not make for machines to connect with is refused', async (t) => {
    const { listener, refused } = await listening(t, network, { tls: beta });
    // The authority's own certificate signs others; it proves no machine.
    const own = { key: authority.key, certificate: authority.certificate, authorities: authority.certificate };
    const client = ended(await connect(listener, own));
    const { failure } = await refused();
    assert.equal(failure.code, 'TLS_FAILED', failure.message);
    assert.equal((await client.closed)?.code, 'CERTIFICATE_REFUSED');
  });

  test('an older TLS is refused, and no session is resumed', async (t) => {
    const { listener, refused, accepted } = await listening(t, network, { tls: beta });
    const old = connectTls({ ...foreignOptions(listener), maxVersion: 'TLSv1.2' });
    const [error] = await once(old, 'error').catch((failure: unknown) => [failure]);
    assert.match(String(error), /protocol version/);
    assert.equal((await refused()).failure.code, 'TLS_FAILED');

    const sessions: Buffer[] = [];
    const { socket } = await foreignClient(t, listener, { key: alpha.key, cert: alpha.certificate });
    socket.on('session', (session) => sessions.push(session));
    const far = ended(await accepted());
    far.connection.write(Buffer.from('after any ticket'));
    await once(socket, 'data');
    assert.deepEqual(sessions, []);
  });

  test('a client that speaks no TLS and a listener that does tell each other', async (t) => {
    const { listener, refused } = await listening(t, network, { tls: beta });
    const client = ended(await connect(listener, undefined));
    client.connection.write(Buffer.from([0, 0, 0, 40, 1, 123]));
    assert.equal((await refused()).failure.code, 'NO_TLS');
    assert.equal((await client.closed)?.code, 'TLS_REQUIRED');
    assert.equal(client.said, '');
  });

  test('a client that speaks TLS and a listener that does not tell each other', async (t) => {
    const { listener, accepted } = await listening(t, network);
    const attempt = failureOf(connect(listener, alpha));
    const server = ended(await accepted());
    const closed = await server.closed;
    assert.equal(closed?.code, 'TLS_FAILED');
    assert.match(closed.message, /began with TLS/);
    assert.equal(server.said, '');
    assert.equal((await attempt).code, 'NO_TLS');
  });

  test('other protocols behind a port are known to be no TLS; one that hangs up has broken the connection', async (t) => {
    for (const greeting of [
      'SSH-2.0-OpenSSH_9.2\r\n',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      '\0\0\0\x28\x01{',
      '220 mail',
    ]) {
      const port = await foreignServer(t, (socket) => socket.write(greeting));
      assert.equal((await failureOf(connectTo(port, alpha))).code, 'NO_TLS', greeting);
    }
    const port = await foreignServer(t, (socket) => socket.once('data', () => socket.end()));
    assert.equal((await failureOf(connectTo(port, alpha))).code, 'RESET');
  });

  test('a handshake has a deadline on both sides', async (t) => {
    const mutePort = await foreignServer(t, () => undefined);
    const failure = await failureOf(connectTo(mutePort, alpha, 200));
    assert.equal(failure.code, 'HANDSHAKE_TIMEOUT');
    assert.match(failure.message, /took the connection, but TLS was not done within 200 ms/);

    const { listener, refused } = await listening(t, hastyNetwork, { tls: beta });
    const mute = connectSocket(listener.port, '127.0.0.1');
    t.after(() => mute.destroy());
    assert.equal((await refused()).failure.code, 'HANDSHAKE_TIMEOUT');
    await once(mute.resume(), 'close');

    // One byte of TLS now and then does not move the deadline.
    const slow = connectSocket(listener.port, '127.0.0.1');
    t.after(() => slow.destroy());
    slow.write(Uint8Array.of(22, 3, 1, 2, 0, 1));
    assert.equal((await refused()).failure.code, 'HANDSHAKE_TIMEOUT');
  });

  test('many silent connections do not keep out one that is ready', async (t) => {
    const { listener, accepted, refused } = await listening(t, network, { tls: beta });
    const silent = Array.from({ length: 300 }, () => connectSocket(listener.port, '127.0.0.1'));
    t.after(() => silent.forEach((socket) => void socket.destroy()));
    for (const socket of silent) socket.on('error', () => undefined);
    const near = await connect(listener, alpha);
    t.after(() => near.destroy());
    assert.deepEqual((await accepted()).certificateNames, ['alpha']);
    const { failure } = await refused();
    assert.match(failure.message, /too many connections of its network/);
  });

  test('a connection that closes before its handshake is told once', async (t) => {
    const { listener, refused } = await listening(t, network, { tls: beta });
    const raw = connectSocket(listener.port, '127.0.0.1');
    await once(raw, 'connect');
    raw.destroy();
    const { failure } = await refused();
    assert.equal(failure.code, 'RESET');
    assert.match(failure.message, /closed the connection before TLS was done/);
  });

  test('replaced material counts for connections from then on', async (t) => {
    const { listener, accepted } = await listening(t, network, { tls: beta });
    const first = await connect(listener, alpha);
    t.after(() => first.destroy());
    listener.replaceTls(await authority.material('beta-anew'));
    const second = await connect(listener, alpha);
    t.after(() => second.destroy());
    assert.deepEqual([first.certificateNames, second.certificateNames], [['beta'], ['beta-anew']]);
    const far = ended(await accepted());
    first.write(Buffer.from('undisturbed'));
    await far.says('undisturbed');
  });

  test('material that does not fit together is refused before anything listens or connects', async (t) => {
    const { listener } = await listening(t, network, { tls: beta });
    const broken: readonly TlsMaterial[] = [
      { ...alpha, key: beta.key },
      { ...alpha, authorities: '' },
      { ...alpha, certificate: 'no certificate' },
    ];
    for (const tls of broken) {
      assert.equal((await failureOf(connect(listener, tls))).code, 'TLS_FAILED');
      const failure = await failureOf(network.listen({ address: '127.0.0.1', port: 0, tls }, silentHandlers));
      assert.equal(failure.code, 'TLS_FAILED');
    }
  });
});

function connect(listener: NetworkListener, tls: TlsMaterial | undefined): Promise<Connection> {
  return connectTo(listener.port, tls);
}

function connectTo(port: number, tls: TlsMaterial | undefined, timeoutMs = 5000): Promise<Connection> {
  return network.connect({ address: '127.0.0.1', port, timeoutMs, tls });
}

function foreignOptions({ port }: NetworkListener): ConnectionOptions {
  return { host: '127.0.0.1', port, ca: authority.certificate, checkServerIdentity: () => undefined };
}

/** A TLS client that is not ours. */
async function foreignClient(t: TestContext, listener: NetworkListener, options: ConnectionOptions) {
  const socket = connectTls({ ...foreignOptions(listener), ...options });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  return { socket };
}

/** A server that is not ours; its port. */
async function foreignServer(t: TestContext, welcome: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    welcome(socket);
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
