import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '../../src/io/logger.ts';
import { NameFailure, type Names, type TlsMaterial } from '../../src/io/network.ts';
import { AddressWatch } from '../../src/transfer/links/address-watch.ts';
import type { Link } from '../../src/transfer/links/link.ts';
import { LinkFailure } from '../../src/transfer/links/link-failure.ts';
import { Listener } from '../../src/transfer/links/listener.ts';
import type { LookBack } from '../../src/transfer/links/probe-links.ts';
import type { ListenSettings, NetworkSettings } from '../../src/transfer/network-settings.ts';
import { makeTlsMaterial } from '../simulator/simulated-tls.ts';
import { dial, HeardLink, type LinkMachine, type TwoMachines, twoMachines } from '../support/two-machines.ts';

interface ListenerChanges {
  readonly listen?: Partial<ListenSettings>;
  readonly settings?: Partial<NetworkSettings>;
  readonly names?: Record<string, readonly string[]>;
  readonly tls?: TlsMaterial;
  readonly lookBack?: LookBack;
  readonly machine?: LinkMachine;
}

function listenerOf(story: TwoMachines, changes: ListenerChanges = {}) {
  const machine = changes.machine ?? story.beta;
  const { io } = machine.process;
  const links: HeardLink[] = [];
  const addressWatch = new AddressWatch({ network: machine.network, clock: io.clock, timers: io.timers });
  const names: Names = {
    resolve: (name) => {
      const addresses = changes.names?.[name];
      if (addresses === undefined) return Promise.reject(new NameFailure('NOT_FOUND', `Nobody knows '${name}'.`));
      return Promise.resolve({ addresses, source: 'test' });
    },
  };
  const settings: NetworkSettings = {
    listen: undefined,
    machines: new Map(),
    port: 1801,
    aliases: [],
    tls: undefined,
    allowPlaintext: true,
    namesFile: undefined,
    missingQueueGraceMs: 0,
    ...changes.settings,
  };
  let tlsChanged: (material: TlsMaterial) => void = () => undefined;
  let material = changes.tls;
  const tls = material && {
    get material() {
      return material as TlsMaterial;
    },
    onChange: (changed: typeof tlsChanged) => {
      tlsChanged = changed;
    },
  };
  const listener = new Listener({
    network: machine.network,
    names,
    io,
    listen: { address: undefined, port: 1801, ...changes.listen },
    settings,
    tls,
    self: machine.self,
    logger: silentLogger,
    addressWatch,
    accepted: (link: Link) => {
      let handlers: Parameters<Link['listen']>[0] | undefined;
      // What `HeardLink` listens to is what the listener passes on.
      links.push(new HeardLink({ listen: (given: typeof handlers) => (handlers = given), link } as unknown as Link));
      assert.ok(handlers);
      return handlers;
    },
    lookBack: changes.lookBack ?? (() => Promise.resolve({})),
  });
  addressWatch.start();
  const replaceTls = (replaced: TlsMaterial) => {
    material = replaced;
    tlsChanged(replaced);
  };
  return { listener, links, replaceTls, addressWatch };
}

async function started(story: TwoMachines, changes: ListenerChanges = {}) {
  const made = listenerOf(story, changes);
  await story.world.settle('starting', 1_000, made.listener.start());
  return made;
}

const statesOf = (listener: Listener) => listener.describe().map(({ address, state }) => [address, state]);
const reasonOf = (dialled: Promise<HeardLink>) =>
  dialled.then(
    () => 'CONNECTED',
    (error: unknown) => (error instanceof LinkFailure ? error.reason : assert.fail(String(error))),
  );

describe('where a listener listens', () => {
  test('without TLS on loopback alone, and on every interface with TLS or with leave for plain text', async () => {
    const story = twoMachines();
    const local = await started(story, { settings: { allowPlaintext: false } });
    assert.deepEqual(statesOf(local.listener), [
      ['127.0.0.1', 'LISTENING'],
      ['::1', 'LISTENING'],
    ]);
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta)), 'CONNECT_REFUSED');
    const wide = await started(story, { machine: story.alpha });
    assert.deepEqual(statesOf(wide.listener), [['::', 'LISTENING']]);
    assert.deepEqual(wide.listener.describe()[0]?.reachableAt, ['127.0.0.1', '::1', '10.0.0.1']);
    const secure = await started(twoMachines(), {
      settings: { allowPlaintext: false },
      tls: makeTlsMaterial({ names: ['beta'] }),
    });
    assert.deepEqual(
      secure.listener.describe().map(({ address, isEncrypted }) => [address, isEncrypted]),
      [['::', true]],
    );
  });

  test('fault 61: a port that is taken is told in words, tried again with pauses up to 30 s, and taken when it is free', async () => {
    const story = twoMachines();
    const first = await started(story);
    const second = await started(story);
    const [status] = second.listener.describe();
    assert.equal(status?.state, 'LISTENER_REBINDING');
    assert.match(status?.text ?? '', /EADDRINUSE/);
    assert.deepEqual([status?.sinceMs, status?.reachableAt], [undefined, []]);
    await story.world.advance(120_000);
    assert.deepEqual(statesOf(second.listener), [['::', 'LISTENER_REBINDING']]);
    await story.world.settle('stopping', 5_000, first.listener.stop());
    await story.world.advance(30_100);
    assert.deepEqual(statesOf(second.listener), [['::', 'LISTENING']]);
  });

  test('fault 54: an address that is not there at the start is waited for', async () => {
    const story = twoMachines();
    const { listener } = await started(story, { listen: { address: '10.0.0.77' } });
    assert.deepEqual(statesOf(listener), [['10.0.0.77', 'LISTENER_REBINDING']]);
    await story.world.advance(600_000);
    story.beta.host.addresses.add('10.0.0.77');
    await story.world.advance(2_100);
    assert.deepEqual(statesOf(listener), [['10.0.0.77', 'LISTENING']]);
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta, { address: '10.0.0.77' })), 'CONNECTED');
  });

  test('fault 53: an address that vanishes and comes back is bound again, and in between the state says so', async () => {
    const story = twoMachines();
    const { listener } = await started(story, { listen: { address: '10.0.0.2' } });
    story.beta.host.addresses.delete('10.0.0.2');
    await story.world.advance(2_100);
    const [status] = listener.describe();
    assert.deepEqual([status?.state, status?.reachableAt], ['LISTENER_REBINDING', []]);
    assert.match(status?.text ?? '', /10\.0\.0\.2/);
    await story.world.advance(300_000);
    story.beta.host.addresses.add('10.0.0.2');
    await story.world.advance(2_100);
    assert.deepEqual(statesOf(listener), [['10.0.0.2', 'LISTENING']]);
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta)), 'CONNECTED');
  });

  test('fault 52: a machine that listens on every interface answers at an address that it gets later', async () => {
    const story = twoMachines();
    const { listener } = await started(story);
    story.beta.host.addresses.delete('10.0.0.2');
    story.beta.host.addresses.add('10.0.0.3');
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta, { address: '10.0.0.3' })), 'CONNECTED');
    await story.world.advance(2_100);
    assert.deepEqual(listener.describe()[0]?.reachableAt, ['127.0.0.1', '::1', '10.0.0.3']);
  });

  test('a socket that breaks is made anew', async () => {
    const story = twoMachines();
    const { listener } = await started(story);
    const before = listener.describe()[0]?.sinceMs;
    for (const socket of [...story.internet.listeners]) socket.break();
    assert.deepEqual(statesOf(listener), [['::', 'LISTENER_REBINDING']]);
    assert.match(listener.describe()[0]?.text ?? '', /listening socket broke/);
    await story.world.advance(600);
    assert.deepEqual(statesOf(listener), [['::', 'LISTENING']]);
    assert.ok((listener.describe()[0]?.sinceMs ?? 0) > (before ?? 0));
  });

  test('any free port is the same one on all addresses, and stays', async () => {
    const story = twoMachines();
    const { listener } = await started(story, { listen: { port: 0 }, settings: { allowPlaintext: false } });
    const ports = listener.describe().map(({ port }) => port);
    assert.ok(ports[0] === ports[1] && ports[0] !== 0, `${ports}`);
    for (const socket of [...story.internet.listeners]) socket.break();
    await story.world.advance(600);
    assert.deepEqual(
      listener.describe().map(({ port, state }) => [port, state]),
      ports.map((port) => [port, 'LISTENING']),
    );
  });

  test('certificates that are replaced hold for the next connection, without a restart', async () => {
    const story = twoMachines();
    const alpha = { tls: makeTlsMaterial({ names: ['alpha'] }) };
    const { replaceTls, links } = await started(story, { tls: makeTlsMaterial({ names: ['beta'], toMs: 1 }) });
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta, alpha)), 'CERTIFICATE_EXPIRED');
    replaceTls(makeTlsMaterial({ names: ['beta'] }));
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta, alpha)), 'CONNECTED');
    await story.world.advance(5);
    assert.equal(links.length, 1);
  });
});

describe('who connects to a listener', () => {
  test('a machine is handed over with its HELLO and known as long as its link is open', async () => {
    const story = twoMachines();
    const { listener, links } = await started(story);
    const near = await dial(story, story.alpha, story.beta);
    await story.world.advance(5);
    assert.deepEqual(
      listener.links.links.map(({ peer }) => peer.machine),
      ['alpha'],
    );
    near.link.close('DONE', 'That was all.');
    await story.world.advance(50);
    assert.deepEqual([links[0]?.end?.code, listener.links.links], ['DONE', []]);
  });

  test('refusals of the listener and of TLS are both kept, with address and claimed name', async () => {
    const story = twoMachines();
    const { listener } = await started(story, { tls: makeTlsMaterial({ names: ['beta'] }) });
    await reasonOf(dial(story, story.alpha, story.beta, { tls: makeTlsMaterial({ names: ['mallory'] }) }));
    await reasonOf(
      dial(story, story.alpha, story.beta, { tls: makeTlsMaterial({ names: ['alpha'], authority: 'x' }) }),
    );
    await story.world.advance(5);
    assert.deepEqual(
      listener.refusals.latest.map(({ code, claimedMachine, remoteAddress }) => [code, claimedMachine, remoteAddress]),
      [
        ['CERTIFICATE_UNTRUSTED', undefined, '10.0.0.1'],
        ['WRONG_CERTIFICATE', 'alpha', '10.0.0.1'],
      ],
    );
  });

  test('during two thousand silent connections a peer gets in at once, and at most 64 of them wait', async () => {
    const story = twoMachines();
    const { listener } = await started(story);
    const open = Array.from({ length: 2_000 }, () =>
      story.alpha.network.connect({ address: '10.0.0.2', port: 1801, timeoutMs: 5_000 }),
    );
    const strangers = await story.world.settle('connecting', 5_000, Promise.all(open));
    assert.equal(strangers?.length, 2_000);
    await story.world.advance(5);
    const startMs = story.world.nowMs;
    const near = await dial(story, story.alpha, story.beta);
    assert.ok(story.world.nowMs - startMs < 100, `${story.world.nowMs - startMs} ms`);
    await story.world.advance(1_200);
    const waiting = [...story.internet.connections].filter(
      ({ host, isClosed }) => host === story.beta.host && !isClosed,
    );
    assert.ok(waiting.length <= 65, `${waiting.length} are open`);
    assert.equal(listener.refusals.latest[0]?.code, 'TOO_MANY_CONNECTIONS');
    await story.world.advance(6_000);
    assert.equal(near.link.isOpen, true);
  });

  test('one who only looks is answered, may have us look back, and can send nothing', async () => {
    const story = twoMachines();
    const asked: unknown[] = [];
    const { links } = await started(story, {
      lookBack: (request, { hello, remoteAddress }) => {
        asked.push([request.port, hello.identity.machine, remoteAddress]);
        return Promise.resolve({ there: 'report' });
      },
    });
    const near = await dial(story, story.alpha, story.beta, { purpose: 'probe' });
    assert.ok(await story.world.settle('ping', 100, near.link.ping()));
    near.link.send({ type: 'pingBack', id: 5, port: 1802 });
    await story.world.advance(10);
    assert.deepEqual(asked, [[1802, 'alpha', '10.0.0.1']]);
    assert.deepEqual(near.frames, [{ type: 'pingBackResult', id: 5, report: { there: 'report' } }]);
    near.link.send({
      type: 'attach',
      channel: 1,
      queue: 'billing',
      epoch: 'e',
      acked: 0,
      ackedDigest: '0000000000000000',
      formerEpochs: [],
    });
    await story.world.advance(10);
    assert.match(near.end?.text ?? '', /'attach' is not awaited from somebody who only looks/);
    assert.deepEqual(links, []);
  });

  test('one who only looks is let go after a minute', async () => {
    const story = twoMachines();
    await started(story);
    const near = await dial(story, story.alpha, story.beta, { purpose: 'probe' });
    await story.world.advance(59_000);
    assert.equal(near.link.isOpen, true);
    await story.world.advance(1_100);
    assert.equal(near.end?.code, 'DONE');
  });

  test('a listener that stops tells its peers, and its port is free', async () => {
    const story = twoMachines();
    const { listener } = await started(story);
    const near = await dial(story, story.alpha, story.beta);
    await story.world.settle('stopping', 5_000, listener.stop());
    await story.world.advance(10);
    assert.deepEqual([near.end?.code, near.end?.text], ['SHUTTING_DOWN', "'beta' is shutting down."]);
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta)), 'CONNECT_REFUSED');
    assert.deepEqual(statesOf((await started(story)).listener), [['::', 'LISTENING']]);
  });
});

describe("a listener's look at itself", () => {
  const look = async (story: TwoMachines, changes: ListenerChanges = {}) => {
    const { listener } = await started(story, changes);
    await story.world.advance(9_000);
    const [status] = listener.describe();
    return { listener, state: status?.state, text: status?.text ?? '' };
  };

  test('a machine that its name leads to says so', async () => {
    const { state, text } = await look(twoMachines(), { names: { beta: ['10.0.0.2'] } });
    assert.equal(state, 'LISTENING');
    assert.match(text, /answers under its name 'beta'/);
  });

  test('a name that leads to another machine is found, with who answered there', async () => {
    const story = twoMachines();
    await started(story, { machine: story.alpha });
    const { state, text } = await look(story, { names: { beta: ['10.0.0.1'] } });
    assert.equal(state, 'NAME_POINTS_ELSEWHERE');
    assert.match(text, /10\.0\.0\.1:1801.*this is 'alpha'/);
  });

  test('a name that leads nowhere is told from a listener that hears nothing', async () => {
    const { state, text } = await look(twoMachines(), { names: { beta: ['10.9.9.9'] } });
    assert.equal(state, 'LISTENER_DEAF');
    assert.match(text, /It answers at 127\.0\.0\.1, but not under its name 'beta': .*10\.9\.9\.9/);
  });

  test('a machine without a name of its own, or one that means loopback here, is looked at directly', async () => {
    const unknown = await look(twoMachines());
    assert.equal(unknown.state, 'LISTENING');
    assert.match(unknown.text, /its own name 'beta' is not known here/);
    const local = await look(twoMachines(), { listen: { address: '10.0.0.2' }, names: { beta: ['127.0.1.1'] } });
    assert.equal(local.state, 'LISTENING');
    assert.match(local.text, /means loopback here/);
  });

  test('the name that others are told is the one that is looked at', async () => {
    const { text } = await look(twoMachines(), {
      settings: { machines: new Map([['beta', { host: 'beta.internal', port: 1801 }]]) },
      names: { 'beta.internal': ['10.0.0.2'] },
    });
    assert.match(text, /answers under its name 'beta\.internal'/);
  });

  test('a listener that hears itself no more is bound again', async () => {
    const story = twoMachines();
    const { listener } = await look(story, { names: { beta: ['10.0.0.2'] } });
    // Its socket is gone without a word.
    for (const socket of [...story.internet.listeners]) socket.vanish();
    await story.world.advance(30_000);
    assert.deepEqual(statesOf(listener), [['::', 'LISTENER_DEAF']]);
    await story.world.advance(60_000);
    assert.deepEqual(statesOf(listener), [['::', 'LISTENING']]);
    assert.equal(await reasonOf(dial(story, story.alpha, story.beta)), 'CONNECTED');
  });

  test('one that is meant for this machine alone does not look', async () => {
    const story = twoMachines();
    const { listener } = await started(story, { settings: { allowPlaintext: false } });
    const before = story.internet.connections.size;
    await story.world.advance(100_000);
    assert.equal(story.internet.connections.size, before);
    assert.equal(listener.describe()[0]?.text, '');
  });

  test('a look leaves nothing behind', async () => {
    const story = twoMachines();
    const { listener } = await started(story, { names: { beta: ['10.0.0.2'] } });
    await story.world.advance(600_000);
    assert.equal([...story.internet.connections].filter(({ isClosed }) => !isClosed).length, 0);
    assert.deepEqual([listener.refusals.count, listener.links.links.length], [0, 0]);
  });
});
