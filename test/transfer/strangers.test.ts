import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Header } from '../../src/message/headers.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { RefusedConnection } from '../../src/transfer/incoming-status.ts';
import { requireCapability } from '../support/capabilities.ts';
import { makeTestAuthority, type TestMaterial, writeTlsFiles } from '../support/certificates.ts';
import { LoopbackMachines } from '../support/loopback-machines.ts';
import { shownIncoming, shownOutgoing } from '../support/shown.ts';

function send(manager: QueueManager, text: string): Promise<void> {
  const headers = { [Header.messageId]: text };
  return manager.send([{ destination: { queue: 'in', machine: 'beta' }, headers, body: Buffer.from(text) }]);
}

async function idsIn(manager: QueueManager): Promise<string[]> {
  const ids: string[] = [];
  for (let afterPosition: number | undefined, isLast = false; !isLast; ) {
    const after = afterPosition === undefined ? {} : { afterPosition };
    const page = await manager.browse({ queue: 'in', countMax: 1000, ...after });
    ids.push(...page.messages.map(({ id }) => id));
    afterPosition = page.lastPosition ?? afterPosition;
    isLast = page.isLast;
  }
  return ids;
}

/** alpha, which has a message for beta, and beta, which waits for it; each with what proves who it is, or without TLS. */
async function twoMachines(machines: LoopbackMachines, proofs: { alpha?: TestMaterial; beta?: TestMaterial }) {
  const options = (material: TestMaterial | undefined) => (material === undefined ? {} : { material });
  const beta = await machines.start('beta', options(proofs.beta));
  await beta.declareQueue('in');
  const alpha = await machines.start('alpha', options(proofs.alpha));
  await send(alpha, 'one');
  return { alpha, beta };
}

/** What both operators see of the refusal. */
async function refusedOnBothSides(machines: LoopbackMachines) {
  const [dialer, acceptor] = await Promise.all([
    shownOutgoing(machines.directory('alpha'), 'in@beta', ({ state }) => state === 'REFUSED'),
    shownIncoming(machines.directory('beta'), ({ refusals }) => refusals.length > 0),
  ]);
  const [refusal] = acceptor.refusals;
  assert.ok(refusal);
  return { dialer, refusal };
}

function replaceKeys(machines: LoopbackMachines, machine: string, material: TestMaterial): void {
  writeTlsFiles(join(machines.directory(machine), 'keys'), material);
}

function untilDelivered(machines: LoopbackMachines) {
  return shownOutgoing(machines.directory('alpha'), 'in@beta', ({ messages }) => messages === 0);
}

describe('a machine that cannot prove itself', { concurrency: 2 }, () => {
  interface Case {
    readonly who: string;
    proof(): Promise<{ alpha?: TestMaterial; beta: TestMaterial; good: TestMaterial }>;
    readonly reason: string;
    readonly text: RegExp;
    readonly refusal: string;
    readonly refusalText: RegExp;
    readonly claimed: string | undefined;
  }
  const cases: readonly Case[] = [
    {
      who: 'with an expired certificate',
      proof: async () => {
        const house = await makeTestAuthority();
        return {
          alpha: await house.material('alpha', { validity: 'expired' }),
          beta: await house.material('beta'),
          good: await house.material('alpha'),
        };
      },
      reason: 'CERTIFICATE_REFUSED',
      text: /expired/,
      refusal: 'CERTIFICATE_EXPIRED',
      refusalText: /expired/,
      claimed: undefined,
    },
    {
      who: 'with the certificate of another machine',
      proof: async () => {
        const house = await makeTestAuthority();
        return {
          alpha: await house.material('gamma'),
          beta: await house.material('beta'),
          good: await house.material('alpha'),
        };
      },
      reason: 'CERTIFICATE_REFUSED',
      text: /says it is 'alpha', but its certificate is of 'gamma'/,
      refusal: 'WRONG_CERTIFICATE',
      refusalText: /says it is 'alpha', but its certificate is of 'gamma'/,
      claimed: 'alpha',
    },
    {
      who: 'with a certificate of another authority',
      proof: async () => {
        const house = await makeTestAuthority();
        const other = await makeTestAuthority('Another authority');
        return {
          alpha: await other.material('alpha', { authorities: house.certificate }),
          beta: await house.material('beta'),
          good: await house.material('alpha'),
        };
      },
      reason: 'CERTIFICATE_REFUSED',
      text: /authority is unknown there/,
      refusal: 'CERTIFICATE_UNTRUSTED',
      refusalText: /authority|issuer/,
      claimed: undefined,
    },
  ];

  for (const { who, proof, reason, text, refusal: code, refusalText, claimed } of cases) {
    test(`${who} gets nowhere, both sides show why, and with its own certificate it gets in without a restart`, async () => {
      await using machines = new LoopbackMachines();
      const { alpha, beta, good } = await proof();
      const { beta: receiver } = await twoMachines(machines, { ...(alpha && { alpha }), beta });
      const { dialer, refusal } = await refusedOnBothSides(machines);
      assert.equal(dialer.reason, reason);
      assert.match(dialer.text, text);
      assert.match(dialer.text, new RegExp(machines.addressOf('beta').replaceAll('.', '\\.')));
      assert.deepEqual([refusal.code, refusal.claimedMachine], [code, claimed], refusal.text);
      assert.match(refusal.text, refusalText);
      assert.equal(refusal.remoteAddress.startsWith('127.'), true);
      assert.deepEqual([dialer.messages, dialer.acknowledged], [1, 0]);
      assert.deepEqual(await idsIn(receiver), []);
      replaceKeys(machines, 'alpha', good);
      await untilDelivered(machines);
      assert.deepEqual(await idsIn(receiver), ['one']);
    });
  }

  test('that speaks plain text to a machine with TLS gets nowhere, and both sides show why', async () => {
    await using machines = new LoopbackMachines();
    const house = await makeTestAuthority();
    const { beta } = await twoMachines(machines, { beta: await house.material('beta') });
    const { dialer, refusal } = await refusedOnBothSides(machines);
    assert.equal(dialer.reason, 'TLS_REQUIRED');
    assert.equal(refusal.code, 'NO_TLS');
    assert.match(refusal.text, /speaks no TLS/);
    assert.deepEqual(await idsIn(beta), []);
  });

  test('that speaks TLS to a machine without it gets nowhere, and both sides show why', async () => {
    await using machines = new LoopbackMachines();
    const house = await makeTestAuthority();
    const { beta } = await twoMachines(machines, { alpha: await house.material('alpha') });
    const { dialer, refusal } = await refusedOnBothSides(machines);
    assert.equal(dialer.reason, 'NO_TLS', dialer.text);
    assert.equal(refusal.code, 'TLS_FAILED');
    assert.match(refusal.text, /began with TLS, and this machine listens without/);
    assert.deepEqual(await idsIn(beta), []);
  });

  test('on the receiving side gets no message: expired, of another machine, of another authority', async () => {
    const house = await makeTestAuthority();
    const other = await makeTestAuthority('Another authority');
    const impostors = [
      ['CERTIFICATE_EXPIRED', await house.material('beta', { validity: 'expired' })],
      ['CERTIFICATE_OF_ANOTHER_MACHINE', await house.material('gamma')],
      ['CERTIFICATE_UNTRUSTED', await other.material('beta', { authorities: house.certificate })],
    ] as const;
    const takeIn = async ([reason, material]: (typeof impostors)[number]): Promise<void> => {
      await using machines = new LoopbackMachines();
      const { beta } = await twoMachines(machines, { alpha: await house.material('alpha'), beta: material });
      const shown = await shownOutgoing(machines.directory('alpha'), 'in@beta', ({ state }) => state === 'REFUSED');
      assert.equal(shown.reason, reason, shown.text);
      assert.equal(shown.messages, 1);
      assert.deepEqual(await idsIn(beta), []);
      replaceKeys(machines, 'beta', await house.material('beta'));
      await untilDelivered(machines);
      assert.deepEqual(await idsIn(beta), ['one']);
    };
    await Promise.all(impostors.map(takeIn));
  });
});

describe('a stranger without a certificate', () => {
  test('who connects with TLS is told so and closed, and the operator sees from where', async () => {
    await using machines = new LoopbackMachines();
    const house = await makeTestAuthority();
    await machines.start('beta', { material: await house.material('beta') });
    const said = await saidTo(machines, { rejectUnauthorized: false });
    assert.equal(said, 'posthorn refused: CERTIFICATE_MISSING\n');
    const refusal = await latestRefusal(machines);
    assert.equal(refusal.code, 'CERTIFICATE_MISSING');
    assert.equal(refusal.remoteAddress, '127.0.0.1');
  });

  test('who speaks another protocol, or an older TLS, is refused with what it was', async () => {
    await using machines = new LoopbackMachines();
    const house = await makeTestAuthority();
    await machines.start('beta', { material: await house.material('beta') });
    const plain = connectPlain({ host: machines.addressOf('beta'), port: machines.port });
    plain.write('GET / HTTP/1.1\r\nHost: beta\r\n\r\n');
    assert.equal(await readAll(plain), 'posthorn refused: TLS_REQUIRED\n');
    assert.equal((await latestRefusal(machines)).code, 'NO_TLS');
    await assert.rejects(saidTo(machines, { rejectUnauthorized: false, maxVersion: 'TLSv1.2' }));
    const { refusals } = await shownIncoming(machines.directory('beta'), ({ refusedCount }) => refusedCount === 2);
    assert.equal(refusals[0]?.code, 'TLS_FAILED', JSON.stringify(refusals[0]));
  });

  test('who talks to a machine without TLS is refused with what it began with', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('beta');
    const plain = connectPlain({ host: machines.addressOf('beta'), port: machines.port });
    plain.write('GET / HTTP/1.1\r\nHost: beta\r\n\r\n');
    await readAll(plain);
    const refusal = await latestRefusal(machines);
    assert.equal(refusal.code, 'MALFORMED');
    assert.match(refusal.text, /began with 'GET \/ HTTP/);
  });
});

describe('certificates that are replaced while machines run', () => {
  test('count for new connections without a restart, and messages flow before, meanwhile and after', async () => {
    await using machines = new LoopbackMachines();
    const house = await makeTestAuthority();
    const first = { alpha: await house.material('alpha'), beta: await house.material('beta') };
    const { alpha, beta } = await twoMachines(machines, first);
    await untilDelivered(machines);
    const serialOf = ({ certificate }: TestMaterial): string => new X509Certificate(certificate).serialNumber;
    assert.equal(await serialShownBy(machines), serialOf(first.beta));
    const second = { alpha: await house.material('alpha'), beta: await house.material('beta') };
    replaceKeys(machines, 'alpha', second.alpha);
    replaceKeys(machines, 'beta', second.beta);
    await send(alpha, 'two');
    while ((await serialShownBy(machines)) !== serialOf(second.beta)) await send(alpha, 'meanwhile');
    await send(alpha, 'three');
    const { attemptCounts } = await untilDelivered(machines);
    assert.deepEqual(attemptCounts, { CONNECTED: 1 }, 'the link that stood goes on');
    const ids = await idsIn(beta);
    assert.deepEqual([ids[0], ids[1], ids.at(-1)], ['one', 'two', 'three']);
    await machines.stop('beta');
    await send(alpha, 'four');
    const again = await machines.start('beta', { material: second.beta });
    await untilDelivered(machines);
    assert.equal((await idsIn(again)).at(-1), 'four');
  });
});

describe('plain text', () => {
  test('beyond loopback is refused before a byte is sent, with the mend', async (t) => {
    if (!requireCapability(t, 'own-address', whyNoOwnAddress)) return;
    const address = ownAddress() as string;
    let connections = 0;
    const server = createServer(() => connections++);
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    t.after(() => void server.close());
    const { port } = server.address() as { port: number };
    await using machines = new LoopbackMachines();
    const alpha = await machines.start('alpha', { machines: { beta: `${address}:${port}` } });
    await send(alpha, 'one');
    const shown = await shownOutgoing(machines.directory('alpha'), 'in@beta', ({ state }) => state === 'REFUSED');
    assert.equal(shown.reason, 'PLAINTEXT_NOT_ALLOWED');
    assert.match(shown.text, new RegExp(address.replaceAll('.', '\\.')));
    assert.match(shown.mend ?? '', /posthorn keys|allowPlaintext/);
    assert.equal(connections, 0);
    await machines.stop('alpha');
    await machines.start('alpha', { machines: { beta: `${address}:${port}` }, allowPlaintext: true });
    await new Promise((resolve) => server.once('connection', (socket) => resolve(socket.destroy())));
  });

  test('is listened to on loopback alone, and nowhere else when an address beyond it is asked for', async (t) => {
    if (!requireCapability(t, 'own-address', whyNoOwnAddress)) return;
    const address = ownAddress() as string;
    await using machines = new LoopbackMachines();
    await machines.start('beta', { listen: { port: machines.port } });
    const { listeners } = await shownIncoming(machines.directory('beta'));
    assert.deepEqual(
      listeners.map((listener) => listener.address).filter((one) => one !== '::1'),
      ['127.0.0.1'],
    );
    await assert.rejects(readAll(connectPlain({ host: address, port: machines.port })), { code: 'ECONNREFUSED' });
    for (const beyond of [address, '0.0.0.0', '::']) {
      await assert.rejects(machines.start('gamma', { listen: { port: machines.port, address: beyond } }), {
        code: 'INVALID_OPTION',
        message: /listen\.address.*allowPlaintext/s,
      });
    }
  });
});

/** An address of this machine that is not loopback. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

function whyNoOwnAddress(): string | undefined {
  return ownAddress() === undefined ? 'this machine has no address but loopback' : undefined;
}

async function latestRefusal(machines: LoopbackMachines): Promise<RefusedConnection> {
  const { refusals } = await shownIncoming(machines.directory('beta'), (shown) => shown.refusals.length > 0);
  const [latest] = refusals;
  assert.ok(latest);
  return latest;
}

/** What beta says to a stranger who connects with TLS and waits. */
function saidTo(machines: LoopbackMachines, options: ConnectionOptions): Promise<string> {
  return readAll(connectTls({ host: machines.addressOf('beta'), port: machines.port, ...options }));
}

/** The serial number of the certificate that beta shows to a new connection. */
async function serialShownBy(machines: LoopbackMachines): Promise<string> {
  const socket = connectTls({ host: machines.addressOf('beta'), port: machines.port, rejectUnauthorized: false });
  let serial = '';
  socket.once('secureConnect', () => {
    serial = socket.getPeerCertificate().serialNumber;
  });
  await readAll(socket);
  return serial;
}

async function readAll(socket: Socket): Promise<string> {
  let said = '';
  for await (const bytes of socket) said += bytes;
  return said;
}
