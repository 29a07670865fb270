import assert from 'node:assert/strict';
import { silentLogger } from '../../src/io/logger.ts';
import { SimulatedIo } from '../../src/testing/simulated-io.ts';
import type { PeerStatus } from '../../src/transfer/peers/peer-status.ts';
import { Peers, type PeersOptions } from '../../src/transfer/peers/peers.ts';
import { FakeHosts } from './fake-hosts.ts';
import { FakeNames, FakeNetwork } from './fake-network.ts';
import { FakeStream } from './fake-stream.ts';

/** The peers of a machine `alpha` in a world that the test makes, in virtual time. Every status seen on the way is checked. */
export class PeerStory {
  readonly io: SimulatedIo;
  readonly names: FakeNames;
  readonly network = new FakeNetwork();
  readonly hosts: FakeHosts;
  readonly peers: Peers;
  /** Statuses of all streams, whenever time moved. */
  readonly shown: PeerStatus[] = [];
  readonly #streams: FakeStream[] = [];
  readonly #tlsChanged: (() => void)[] = [];

  constructor(options: PeerStoryOptions = {}) {
    this.io = new SimulatedIo({ seed: options.seed ?? 1 });
    const { io } = this;
    this.names = new FakeNames(io.timers, () => this.nowMs);
    const usesTls = options.usesTls ?? true;
    this.hosts = new FakeHosts(io, { usesTls });
    const material = { key: '', certificate: '', authorities: '' };
    this.peers = new Peers({
      io,
      network: this.network,
      names: this.names,
      settings: {
        listen: undefined,
        machines: new Map(),
        port: 1801,
        aliases: [],
        tls: undefined,
        allowPlaintext: false,
        namesFile: undefined,
        missingQueueGraceMs: 0,
        ...options.settings,
      },
      tls: usesTls ? { material, onChange: (changed) => this.#tlsChanged.push(() => changed(material)) } : undefined,
      identity: () => ({ machine: 'alpha', storeId: '', instanceId: '', version: '', wallMs: 0, bodyBytesMax: 0 }),
      logger: silentLogger,
      open: (target) => this.hosts.open(target),
    });
  }

  /** The certificates of this machine were read again. */
  renewCertificates(): void {
    for (const changed of this.#tlsChanged) changed();
  }

  get nowMs(): number {
    return this.io.clock.monotonicNowMs();
  }

  /** A queue with one message in it. */
  async stream(queue: string, options: StreamOptions = {}): Promise<FakeStream> {
    const stream = this.addStream(queue, options);
    this.#streams.push(stream);
    await this.settle();
    return stream;
  }

  /** The same, without looking at its status whenever time moves. */
  addStream(queue: string, options: StreamOptions = {}): FakeStream {
    const stream = new FakeStream(queue, this.io);
    stream.isLoaded = options.isLoaded ?? false;
    stream.messages = options.messages ?? 1;
    this.peers.add(stream, stream.asQueue);
    return stream;
  }

  status(queue: string): PeerStatus {
    const status = this.peers.describe(queue);
    assert.ok(status !== undefined, `${queue} is known`);
    return status;
  }

  /** Lets virtual time pass, timer by timer. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.nowMs + byMs;
    await this.settle();
    for (
      let dueMs = this.io.timers.nextDueMs;
      dueMs !== undefined && dueMs <= endMs;
      dueMs = this.io.timers.nextDueMs
    ) {
      this.io.clock.advance(Math.max(0, dueMs - this.nowMs));
      this.io.timers.runDue();
      await this.settle();
    }
    this.io.clock.advance(endMs - this.nowMs);
  }

  /** Resolves with how long it took; fails after `limitMs`. */
  async until(what: string, isSo: () => boolean, limitMs: number): Promise<number> {
    const beganMs = this.nowMs;
    await this.settle();
    while (!isSo()) {
      const dueMs = this.io.timers.nextDueMs;
      assert.ok(dueMs !== undefined && dueMs - beganMs <= limitMs, `${what} within ${limitMs} ms`);
      await this.advance(Math.max(0, dueMs - this.nowMs));
    }
    return this.nowMs - beganMs;
  }

  /** Promise reactions have run. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => this.io.timers.soon(resolve));
    for (const { queue } of this.#streams) this.#check(this.status(queue));
  }

  /** I10: what does not run has a reason, and a time when something is planned. */
  #check(status: PeerStatus): void {
    const { state, reason, text, nextAttemptInMs } = status;
    if (this.shown.at(-1)?.text !== text) this.shown.push(status);
    const isRunning = state === 'CONNECTED' || state === 'RESOLVING' || state === 'CONNECTING';
    assert.ok(isRunning || reason !== undefined, `${state} has a reason: ${text}`);
    assert.ok(text.length > 0, `${state} has a sentence`);
    if (state !== 'WAITING' && state !== 'REFUSED') return;
    assert.ok(
      nextAttemptInMs !== undefined && nextAttemptInMs <= 45_000,
      `${state} has a time of at most 45 s: ${text}`,
    );
    assert.match(text, /next try in [\d.]+ s \(attempt \d+\)\.$/);
  }
}

export const ANSWERS_AS_BETA = { machine: 'beta', does: 'answers' } as const;

/** `beta` is at 10.0.0.2, and a message for it waits. */
export async function connectedToBeta(options: { readonly isLoaded?: boolean } = {}) {
  const story = new PeerStory();
  story.names.set('beta', ['10.0.0.2']);
  story.hosts.put('10.0.0.2', ANSWERS_AS_BETA);
  const stream = await story.stream('orders@beta', options);
  await story.until('connected', () => story.status('orders@beta').state === 'CONNECTED', 1000);
  return { story, stream };
}

/** `beta` is not reached for so long that the backoff is at its cap. */
export async function longUnreached(story: PeerStory) {
  const stream = await story.stream('orders@beta');
  await story.advance(300_000);
  const { state, attempt } = story.status('orders@beta');
  assert.ok(state !== 'CONNECTED' && attempt > 5, `${attempt} attempts failed`);
  return stream;
}

export interface StreamOptions {
  readonly messages?: number;
  readonly isLoaded?: boolean;
}

export interface PeerStoryOptions {
  readonly seed?: number;
  readonly usesTls?: boolean;
  readonly settings?: Partial<PeersOptions['settings']>;
}
