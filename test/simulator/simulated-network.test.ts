import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection, NetworkFailure } from '../../src/io/network.ts';
import { Internet } from './internet.ts';
import { SimulatedHost } from './simulated-host.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { makeTlsMaterial } from './simulated-tls.ts';
import { World } from './world.ts';

interface Side {
  readonly host: SimulatedHost;
  readonly process: SimulatedProcess;
  readonly network: SimulatedNetwork;
}

function setup(seed = 1) {
  const world = new World({ seed });
  const internet = new Internet(world);
  internet.manners.cutRate = 0;
  const side = (name: string, address: string): Side => {
    const host = new SimulatedHost(world, name);
    host.addresses.add(address);
    internet.addHost(host);
    const process = new SimulatedProcess(world, { machine: name, name, clock: host.clock });
    return { host, process, network: new SimulatedNetwork(internet, host, process) };
  };
  return { world, internet, alpha: side('alpha', '10.0.0.1'), beta: side('beta', '10.0.0.2') };
}

type Setup = ReturnType<typeof setup>;

/** What happened at one end. */
class End {
  readonly connection: Connection;
  text = '';
  chunks = 0;
  drains = 0;
  closed: { readonly failure: NetworkFailure | undefined } | undefined;

  get isClosed(): boolean {
    return this.closed !== undefined;
  }

  constructor(connection: Connection) {
    this.connection = connection;
    connection.listen({
      onBytes: (bytes) => {
        this.text += Buffer.from(bytes).toString();
        this.chunks++;
      },
      onDrained: () => this.drains++,
      onClosed: (failure) => {
        this.closed = { failure };
      },
    });
  }
}

async function listen(side: Side, world: World, address = '::', tls = false) {
  const accepted: End[] = [];
  const refused: string[] = [];
  const listener = await world.settle(
    'listening',
    1_000,
    side.network.listen(
      { address, port: 1801, ...(tls && { tls: makeTlsMaterial({ names: [side.host.name] }) }) },
      {
        accept: (connection) => accepted.push(new End(connection)),
        refused: ({ failure }) => refused.push(failure.code),
        failed: () => undefined,
      },
    ),
  );
  assert.ok(listener);
  return { listener, accepted, refused };
}

async function dial(setup: Setup, address: string, timeoutMs = 5_000, tls?: Parameters<typeof makeTlsMaterial>[0]) {
  const target = { address, port: 1801, timeoutMs, ...(tls !== undefined && { tls: makeTlsMaterial(tls) }) };
  const connection = await setup.world.settle('connecting', 20_000, setup.alpha.network.connect(target));
  assert.ok(connection);
  return new End(connection);
}

async function connected(seed?: number) {
  const world = setup(seed);
  const { accepted } = await listen(world.beta, world.world);
  const near = await dial(world, '10.0.0.2');
  await world.world.advance(10);
  const far = accepted[0];
  assert.ok(far);
  return { ...world, near, far };
}

test('bytes arrive in order after the latency, whatever the pieces are', async () => {
  const { world, internet, near, far } = await connected();
  internet.manners.cutRate = 1;
  near.connection.write(Buffer.from('one '));
  near.connection.write(Buffer.from('two '));
  assert.equal(far.text, '');
  await world.advance(10);
  assert.equal(far.text, 'one two ');
});

test('a cut connection gives its bytes in small pieces and loses none', async () => {
  const world = setup();
  world.internet.manners.cutRate = 1;
  const { accepted } = await listen(world.beta, world.world);
  const near = await dial(world, '10.0.0.2');
  const text = 'x'.repeat(5_000);
  near.connection.write(Buffer.from(text));
  await world.world.advance(100);
  assert.equal(accepted[0]?.text, text);
  assert.ok((accepted[0]?.chunks ?? 0) > 3);
});

test('nobody listens: refused; nobody has the address: silence until the deadline', async () => {
  const world = setup();
  await assert.rejects(dial(world, '10.0.0.2'), { code: 'REFUSED' });
  const beganMs = world.world.nowMs;
  await assert.rejects(dial(world, '10.0.0.9', 3_000), { code: 'TIMEOUT' });
  assert.equal(Math.round(world.world.nowMs - beganMs), 3_000);
});

test('an attempt that is given up rejects at once', async () => {
  const { world, alpha } = setup();
  const giveUp = new AbortController();
  const target = { address: '10.0.0.9', port: 1801, timeoutMs: 5_000, signal: giveUp.signal };
  const attempt = alpha.network.connect(target);
  world.at(10, () => giveUp.abort());
  await assert.rejects(world.settle('connecting', 100, attempt), { code: 'ABORTED' });
});

test('a host without an address reaches nobody', async () => {
  const world = setup();
  world.alpha.host.addresses.clear();
  await assert.rejects(dial(world, '10.0.0.2'), { code: 'UNREACHABLE' });
});

test('an address that vanished under a connection: silence on both ends, and no error (F9)', async () => {
  const { world, alpha, near, far } = await connected();
  alpha.host.addresses.clear();
  near.connection.write(Buffer.from('lost'));
  await world.advance(60_000);
  assert.equal(far.text, '');
  assert.equal(near.closed, undefined);
  assert.equal(near.connection.waitingBytes, 0);
  alpha.host.addresses.add('10.0.0.1');
  await world.advance(60_000);
  assert.equal(far.text, 'lost');
});

test('a listener on an address that vanished is deaf and does not know it; a wildcard one answers on a new address (F8)', async () => {
  const world = setup();
  const { listener } = await listen(world.beta, world.world, '10.0.0.2');
  world.beta.host.addresses.clear();
  world.beta.host.addresses.add('10.0.0.3');
  await assert.rejects(dial(world, '10.0.0.2', 1_000), { code: 'TIMEOUT' });
  await assert.rejects(dial(world, '10.0.0.3', 1_000), { code: 'REFUSED' });
  await world.world.settle('closing', 1_000, listener.close());
  await listen(world.beta, world.world, '::');
  assert.ok(await dial(world, '10.0.0.3'));
});

test('an address that another host took answers with a reset', async () => {
  const { world, internet, beta, near } = await connected();
  const gamma = new SimulatedHost(world, 'gamma');
  internet.addHost(gamma);
  beta.host.addresses.clear();
  gamma.addresses.add('10.0.0.2');
  near.connection.write(Buffer.from('for beta'));
  await world.advance(1_000);
  assert.equal(near.closed?.failure?.code, 'RESET');
});

test('one way blocked: what was sent arrives, and the sender is told nothing', async () => {
  const { world, internet, alpha, beta, near, far } = await connected();
  internet.way(beta.host, alpha.host).isBlocked = true;
  near.connection.write(Buffer.from('there'));
  far.connection.write(Buffer.from('back'));
  await world.advance(30_000);
  assert.equal(far.text, 'there');
  assert.equal(near.text, '');
  await assert.rejects(dial({ world, internet, alpha, beta }, '10.0.0.2', 2_000), { code: 'TIMEOUT' });
  internet.healAll();
  await world.advance(60_000);
  assert.equal(near.text, 'back');
});

test('a process that dies ends its connections; a host that loses power says nothing until it is back', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { world, internet, beta, near } = await connected(seed);
    beta.process.die();
    internet.processEnded(beta.host, () => true);
    await world.advance(1_000);
    assert.ok(near.closed);
  }
  const { world, internet, beta, near } = await connected();
  beta.host.powerOff();
  beta.process.die();
  internet.processEnded(beta.host, () => true);
  near.connection.write(Buffer.from('hello?'));
  await world.advance(60_000);
  assert.equal(near.isClosed, false);
  beta.host.bootUp();
  await world.advance(60_000);
  assert.equal(near.closed?.failure?.code, 'RESET');
});

test('an end in order brings all bytes and closes both', async () => {
  const { world, near, far } = await connected();
  near.connection.write(Buffer.alloc(300_000, 'x'));
  near.connection.end();
  await world.advance(1_000);
  assert.equal(far.text.length, 300_000);
  assert.deepEqual(far.closed, { failure: undefined });
  assert.deepEqual(near.closed, { failure: undefined });
});

test('a reset at a byte gives the bytes before it and no more', async () => {
  const { world, internet, near, far } = await connected();
  for (const connection of internet.connections) if (!connection.isDialer) connection.resetAfterBytes = 5;
  near.connection.write(Buffer.from('0123456789'));
  await world.advance(1_000);
  assert.equal(far.text, '01234');
  assert.equal(far.closed?.failure?.code, 'RESET');
  assert.equal(near.closed?.failure?.code, 'RESET');
});

test('a reader that pauses stops the writer at the window, and drains when it goes on', async () => {
  const { world, near, far } = await connected();
  far.connection.pause();
  near.connection.write(Buffer.alloc(1_000_000, 'x'));
  await world.advance(10_000);
  assert.equal(far.text, '');
  assert.ok(near.connection.waitingBytes > 700_000);
  assert.equal(near.drains, 0);
  far.connection.resume();
  await world.advance(10_000);
  assert.equal(far.text.length, 1_000_000);
  assert.equal(near.connection.waitingBytes, 0);
  assert.equal(near.drains, 1);
});

test('a stopped process takes nothing; its system does, and what came is there when it goes on', async () => {
  const { world, beta, near, far } = await connected();
  beta.process.pause();
  near.connection.write(Buffer.from('hello'));
  await world.advance(5_000);
  assert.equal(far.text, '');
  beta.process.resume();
  await world.advance(1);
  assert.equal(far.text, 'hello');
});

test('TLS shows whose certificate it is, and both sides hear why one will not do', async () => {
  const world = setup();
  const { accepted, refused } = await listen(world.beta, world.world, '::', true);
  const near = await dial(world, '10.0.0.2', 5_000, { names: ['alpha'] });
  await world.world.advance(10);
  assert.deepEqual(near.connection.certificateNames, ['beta']);
  assert.deepEqual(accepted[0]?.connection.certificateNames, ['alpha']);
  const strange = dial(world, '10.0.0.2', 5_000, { names: ['alpha'], authority: 'somebody' });
  await assert.rejects(strange, { code: 'CERTIFICATE_REFUSED' });
  await assert.rejects(dial(world, '10.0.0.2', 5_000, { names: ['alpha'], toMs: 1 }), { code: 'CERTIFICATE_REFUSED' });
  assert.deepEqual(refused, ['CERTIFICATE_UNTRUSTED', 'CERTIFICATE_EXPIRED']);
  await assert.rejects(dial(world, '10.0.0.2'), { code: 'RESET' });
});

test('a port that is taken, and an address of others, cannot be listened on', async () => {
  const { world, beta } = setup();
  await listen(beta, world);
  await assert.rejects(listen(beta, world, '10.0.0.2'), { code: 'ADDRESS_IN_USE' });
  await assert.rejects(listen(beta, world, '10.0.0.7'), { code: 'ADDRESS_NOT_AVAILABLE' });
});
