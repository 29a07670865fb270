import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NameFailure } from '../../io/network.ts';
import { SimulatedIo } from '../../testing/simulated-io.ts';
import type { Link, LinkHandlers } from '../links/link.ts';
import type { NetworkSettings } from '../network-settings.ts';
import type { PingDirection, PingReport, PingStep } from '../ping-report.ts';
import type { Reason } from '../reasons.ts';
import type { Frame } from '../wire/frames.ts';
import { ping } from './ping.ts';
import { PingBackAnswers } from './ping-back.ts';
import type { PingDoors, ProbeTarget } from './ping-doors.ts';

describe('ping', () => {
  test('a machine that is well shows every step, and the way back as the machine saw it', async () => {
    const world = new World({ beta: ['10.0.0.2'] });
    world.answers('10.0.0.2', 'beta');
    world.backReport = { ...DIRECTION, from: 'beta', to: 'alpha' };
    const report = await world.ping('beta');
    assert.deepEqual(resultsOf(report.there), {
      name: 'ok',
      connect: 'ok',
      tls: 'ok',
      identity: 'ok',
      version: 'ok',
      clock: 'ok',
      roundTrip: 'ok',
    });
    assert.equal(report.there.isReached, true);
    assert.match(textOf(report.there, 'name'), /^beta is 10\.0\.0\.2 \(DNS 10\.0\.0\.53\)$/);
    assert.match(textOf(report.there, 'roundTrip'), /^4\.0 ms, median of 5$/);
    assert.deepEqual(report.back, world.backReport);
    assert.deepEqual(world.openLinks, [], 'no link is left open');
  });

  test('a name that nobody knows is told apart from one that nobody answers for', async () => {
    for (const [code, reason] of [
      ['NOT_FOUND', 'NAME_NOT_FOUND'],
      ['SERVER_FAILED', 'NAME_SERVER_FAILED'],
      ['TIMEOUT', 'NAME_TIMEOUT'],
    ] as const) {
      const world = new World({});
      world.nameFailure = new NameFailure(code, 'Nobody said.');
      const report = await world.ping('beta');
      assert.equal(report.there.steps[0]?.reason, reason);
      assert.match(report.there.steps[0]?.mend ?? '', /machines: \{ "beta": "host:port" \}/);
      assert.equal(resultsOf(report.there).connect, 'skipped');
      assert.equal(report.back, undefined);
      assert.match(report.backText ?? '', /beta was not reached/);
    }
  });

  const failures: readonly (readonly [Reason, PingStep['step'], RegExp])[] = [
    ['CONNECT_REFUSED', 'connect', /posthorn incoming/],
    ['CONNECT_TIMEOUT', 'connect', /firewalls/],
    ['UNREACHABLE', 'connect', /route/],
    ['NO_TLS', 'tls', /posthorn keys/],
    ['CERTIFICATE_EXPIRED', 'tls', /new certificate/],
    ['CERTIFICATE_UNTRUSTED', 'tls', /authority/],
    ['CERTIFICATE_REFUSED', 'tls', /posthorn incoming/],
    ['HANDSHAKE_TIMEOUT', 'tls', /says nothing/],
    ['CERTIFICATE_OF_ANOTHER_MACHINE', 'identity', /name 'beta'/],
    ['WRONG_HOST', 'identity', /another machine/],
    ['NOT_POSTHORN', 'identity', /Another program/],
    ['TOO_MANY_CONNECTIONS', 'identity', /posthorn incoming/],
    ['VERSION', 'version', /versions/],
  ];
  for (const [reason, step, mend] of failures) {
    test(`${reason} is found at the step '${step}', with all before it passed and a mend`, async () => {
      const world = new World({ beta: ['10.0.0.2'] });
      world.fails('10.0.0.2', reason);
      const { there } = await world.ping('beta');
      const failed = there.steps.find(({ result }) => result === 'failed');
      assert.deepEqual([failed?.step, failed?.reason, failed?.address], [step, reason, '10.0.0.2']);
      assert.match(failed?.mend ?? '', mend);
      const before = there.steps.slice(0, there.steps.indexOf(failed as PingStep));
      assert.ok(before.every(({ result }) => result === 'ok'));
      assert.equal(there.isReached, false);
    });
  }

  test('a dead address beside one that works is a warning, and the way is found', async () => {
    const world = new World({ beta: ['fd00::2', '10.0.0.2'] });
    world.fails('fd00::2', 'CONNECT_TIMEOUT');
    world.answers('10.0.0.2', 'beta');
    const { there } = await world.ping('beta');
    assert.deepEqual(
      there.steps.filter(({ step }) => step === 'connect').map(({ address, result }) => [address, result]),
      [
        ['fd00::2', 'warning'],
        ['10.0.0.2', 'ok'],
      ],
    );
    assert.equal(there.isReached, true);
  });

  test('a clock that is more than 30 s away is a warning, in either direction', async () => {
    for (const [aheadMs, text] of [
      [29_000, /29\.0 s ahead of ours/],
      [-31_000, /31\.0 s behind ours/],
      [3_600_000, /60 min ahead of ours/],
    ] as const) {
      const world = new World({ beta: ['10.0.0.2'] });
      world.answers('10.0.0.2', 'beta');
      world.clockAheadMs = aheadMs;
      const { there } = await world.ping('beta');
      const clock = there.steps.find(({ step }) => step === 'clock');
      assert.match(clock?.text ?? '', text);
      assert.equal(clock?.result, Math.abs(aheadMs) > 30_000 ? 'warning' : 'ok');
      assert.equal(clock?.mend !== undefined, Math.abs(aheadMs) > 30_000);
    }
  });

  test('without keys nothing beyond loopback is dialled, unless plaintext is allowed', async () => {
    for (const [allowPlaintext, address, isReached] of [
      [false, '10.0.0.2', false],
      [false, '127.0.0.9', true],
      [true, '10.0.0.2', true],
    ] as const) {
      const world = new World({ beta: [address] }, { allowPlaintext });
      world.usesTls = false;
      world.answers(address, 'beta');
      const { there } = await world.ping('beta');
      assert.equal(there.isReached, isReached);
      assert.equal(resultsOf(there).tls, isReached ? 'skipped' : 'failed');
      if (!isReached) assert.equal(world.dialled.length, 0);
    }
  });

  test('an address that says nothing ends the look after its time, and a late link is closed', async () => {
    const world = new World({ beta: ['10.0.0.2'] });
    const late = world.answersLate('10.0.0.2');
    const report = await world.ping('beta');
    assert.equal(report.there.steps.find(({ result }) => result === 'failed')?.reason, 'HANDSHAKE_TIMEOUT');
    assert.ok(world.io.clock.monotonicNowMs() - world.begunMs <= 20_000);
    late();
    await world.turn();
    assert.deepEqual(world.openLinks, []);
  });

  test('a machine that never says what it saw fails the way back, within 20 s', async () => {
    const world = new World({ beta: ['10.0.0.2'] });
    world.answers('10.0.0.2', 'beta');
    const { back } = await world.ping('beta');
    assert.equal(back?.isReached, false);
    assert.match(back?.steps[0]?.text ?? '', /beta did not say in time/);
    assert.ok(world.io.clock.monotonicNowMs() - world.begunMs <= 20_000);
  });

  test('a report that is none fails the way back and nothing else', async () => {
    for (const report of [null, 'x', {}, { ...DIRECTION, steps: [{ step: 'dance' }] }, { ...DIRECTION, from: 'a b' }]) {
      const world = new World({ beta: ['10.0.0.2'] });
      world.answers('10.0.0.2', 'beta');
      world.backReport = report;
      const { there, back } = await world.ping('beta');
      assert.equal(there.isReached, true);
      assert.equal(back?.isReached, false);
    }
  });

  test('a machine that takes no connections says so instead of asking', async () => {
    const world = new World({ beta: ['10.0.0.2'] });
    world.answers('10.0.0.2', 'beta');
    world.listenPort = undefined;
    const report = await world.ping('beta');
    assert.deepEqual([report.back, report.backText], [undefined, 'Nobody can come here.']);
  });
});

describe('a request to look back', () => {
  test('is answered with the way to the machine that the link names, by the settings here', async () => {
    const world = new World({ beta: ['10.0.0.2'] });
    world.answers('10.0.0.2', 'beta');
    const report = await new PingBackAnswers(world.doors()).lookAt('beta', { type: 'pingBack', id: 7, port: 1801 });
    assert.equal(report.isReached, true);
    assert.deepEqual(world.openLinks, []);
  });

  test('names the port that the asking machine listens on when another one is looked on here', async () => {
    const world = new World({ beta: ['10.0.0.2'] });
    world.fails('10.0.0.2', 'CONNECT_REFUSED');
    const report = await new PingBackAnswers(world.doors()).lookAt('beta', { type: 'pingBack', id: 7, port: 2500 });
    const failed = report.steps.find(({ result }) => result === 'failed');
    assert.match(failed?.mend ?? '', /listens on port 2500, and alpha looks on port 1801/);
  });

  test('beyond four at a time is told that others are being answered', async () => {
    const world = new World({ beta: ['10.0.0.2'] });
    const late = world.answersLate('10.0.0.2');
    const answers = new PingBackAnswers(world.doors());
    const running = Array.from({ length: 4 }, () =>
      answers.lookAt('beta', { type: 'pingBack', id: 1, port: undefined }),
    );
    const fifth = await answers.lookAt('beta', { type: 'pingBack', id: 1, port: undefined });
    assert.equal(fifth.steps[0]?.reason, 'BUSY');
    late();
    await world.moveUntil(Promise.all(running));
    assert.ok((await Promise.all(running)).every(({ isReached }) => isReached));
  });
});

const STEP: PingStep = {
  step: 'name',
  address: undefined,
  result: 'ok',
  text: 'alpha is 10.0.0.1 (hosts file)',
  reason: undefined,
  mend: undefined,
  tookMs: 1,
};
const DIRECTION: PingDirection = { from: 'x', to: 'y', name: 'y', port: 1801, steps: [STEP], isReached: true };

function resultsOf(direction: PingDirection): Record<string, string> {
  return Object.fromEntries(direction.steps.map(({ step, result }) => [step, result]));
}

function textOf(direction: PingDirection, wanted: PingStep['step']): string {
  return direction.steps.find(({ step }) => step === wanted)?.text ?? '';
}

/** Names and links as a test says; the clock moves when nothing else does. */
class World {
  readonly io = new SimulatedIo({ wallMs: 1_800_000_000_000 });
  readonly begunMs = this.io.clock.monotonicNowMs();
  readonly dialled: string[] = [];
  readonly openLinks: FakeLink[] = [];
  nameFailure: NameFailure | undefined;
  usesTls = true;
  clockAheadMs = 0;
  listenPort: number | undefined = 1801;
  backReport: unknown;
  readonly #names: Readonly<Record<string, readonly string[]>>;
  readonly #settings: NetworkSettings;
  readonly #openers = new Map<string, () => Promise<Link>>();

  constructor(names: Readonly<Record<string, readonly string[]>>, settings: Partial<NetworkSettings> = {}) {
    this.#names = names;
    this.#settings = {
      listen: undefined,
      machines: new Map(),
      port: 1801,
      aliases: [],
      tls: undefined,
      allowPlaintext: false,
      namesFile: undefined,
      missingQueueGraceMs: 0,
      ...settings,
    };
  }

  answers(address: string, machine: string): void {
    this.#openers.set(address, async () => new FakeLink(this, machine));
  }

  fails(address: string, reason: Reason): void {
    this.#openers.set(address, () => Promise.reject({ reason, text: `It failed with ${reason}.` }));
  }

  /** The link comes when the returned function is called. */
  answersLate(address: string): () => void {
    const opened = Promise.withResolvers<void>();
    this.#openers.set(address, () => opened.promise.then(() => new FakeLink(this, 'beta')));
    return () => opened.resolve();
  }

  doors(): PingDoors {
    return {
      machine: 'alpha',
      clock: this.io.clock,
      timers: this.io.timers,
      names: { resolve: (name) => this.#resolve(name) },
      settings: this.#settings,
      usesTls: this.usesTls,
      openLink: (target) => this.#open(target),
    };
  }

  ping(machine: string): Promise<PingReport> {
    const { listenPort } = this;
    const here = listenPort === undefined ? { listenPort, noWayBack: 'Nobody can come here.' } : { listenPort };
    return this.moveUntil(ping(machine, this.doors(), here));
  }

  async moveUntil<Result>(promise: Promise<Result>): Promise<Result> {
    let isOver = false;
    const noted = promise.finally(() => {
      isOver = true;
    });
    for (let turns = 0; !isOver && turns < 1000; turns++) {
      await this.turn();
      this.io.clock.advance(100);
      this.io.timers.runDue();
    }
    return await noted;
  }

  turn(): Promise<void> {
    return new Promise((done) => this.io.timers.soon(done));
  }

  async #resolve(name: string) {
    if (this.nameFailure !== undefined) throw this.nameFailure;
    const addresses = this.#names[name];
    if (addresses === undefined) throw new NameFailure('NOT_FOUND', `Nobody knows '${name}'.`);
    return { addresses, source: 'DNS 10.0.0.53' };
  }

  #open({ address, machine }: ProbeTarget): Promise<Link> {
    this.dialled.push(address);
    const open = this.#openers.get(address);
    assert.ok(open !== undefined, `${machine} at ${address} was not expected to be dialled`);
    return open();
  }
}

class FakeLink implements Link {
  readonly role = 'dialer';
  readonly peer;
  readonly localAddress = '10.0.0.1';
  readonly remoteAddress = '10.0.0.2';
  readonly remotePort = 1801;
  readonly isEncrypted: boolean;
  readonly sinceMs = 0;
  readonly heardMs = 0;
  readonly waitingBytes = 0;
  expectsAnswers = false;
  isOpen = true;
  readonly sent: Frame[] = [];
  readonly #world: World;
  #handlers: LinkHandlers | undefined;

  constructor(world: World, machine: string) {
    this.#world = world;
    this.isEncrypted = world.usesTls;
    this.peer = { machine, storeId: 's1', instanceId: 'i1', version: '0.1.0', wallMs: 0, bodyBytesMax: 1 };
  }

  send(frame: Frame): void {
    this.sent.push(frame);
    const report = this.#world.backReport;
    if (frame.type !== 'pingBack' || report === undefined) return;
    this.#handlers?.frame({ type: 'pingBackResult', id: frame.id, report });
  }

  pauseReading(): void {}

  resumeReading(): void {}

  ping(): Promise<{ readonly roundTripMs: number; readonly wallMs: number }> {
    return Promise.resolve({ roundTripMs: 4, wallMs: this.#world.io.clock.wallNowMs() + this.#world.clockAheadMs - 2 });
  }

  close(): void {
    this.isOpen = false;
    this.#world.openLinks.splice(this.#world.openLinks.indexOf(this), 1);
    this.#handlers?.closed({ code: 'DONE', text: 'It is closed.', isOurs: true });
  }

  listen(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    this.#world.openLinks.push(this);
  }
}
