import type { Io } from '../../io/io.ts';
import type { Logger } from '../../io/logger.ts';
import type { Names, Network } from '../../io/network.ts';
import type { OutgoingQueue } from '../../queues/transfer-door.ts';
import type { Link } from '../links/link.ts';
import { openLink } from '../links/open-link.ts';
import type { NetworkSettings, TlsSource } from '../network-settings.ts';
import type { OutgoingStream } from '../streams/stream.ts';
import type { Identity } from '../wire/frames.ts';
import { CONNECT_TIMEOUT_MS } from './dial-failure.ts';
import { DialTurns } from './dial-turns.ts';
import { Peer, type WakeReason } from './peer.ts';
import type { DialTarget, OpenLink, PeerOptions } from './peer-options.ts';
import type { PeerStatus } from './peer-status.ts';

/** All other machines that this one sends to, or has mail from: one `Peer` for each machine name. */
export class Peers {
  readonly #options: PeerOptions;
  readonly #identity: () => Identity;
  readonly #peers = new Map<string, Peer>();
  readonly #peerOfQueue = new Map<string, Peer>();
  readonly #work = new Set<Promise<unknown>>();
  #isStopped = false;

  constructor(options: PeersOptions) {
    const { io, network, names, settings, tls, logger, identity } = options;
    this.#identity = identity;
    this.#options = {
      io,
      network,
      names,
      settings,
      tls,
      logger,
      open: options.open ?? ((target) => this.#open(target)),
      turns: new DialTurns(io),
      track: (work) => this.#track(work),
    };
    tls?.onChange(() => {
      for (const peer of this.#peers.values()) peer.wake('new certificates');
    });
  }

  /** Takes the stream into its hands: it gets a link whenever it needs one, until `stop`. */
  add(stream: OutgoingStream, queue: OutgoingQueue): void {
    const peer = this.#peer(queue.destination.machine);
    this.#peerOfQueue.set(queue.name, peer);
    peer.add(stream, queue);
  }

  /** A machine that sends to this one: it is dialled when the addresses of this one change, so that it learns of it. */
  know(machine: string): void {
    if (machine.toLowerCase() === this.#identity().machine.toLowerCase()) return;
    // Without certificates anybody may claim any number of names.
    if (this.#peers.size < KNOWN_MAX) this.#peer(machine);
  }

  /**
   * Something suggests that the machine can be reached now: every backoff ends, it is dialled at once when there is work.
   *
   * @param address - from where it has just connected, for `inbound connection`: tried too, because its name may be stale
   */
  wake(machine: string, why: WakeReason, address?: string): void {
    this.#peers.get(machine.toLowerCase())?.wake(why, { address });
  }

  /** The way to everybody may be another one: all are dialled, also those without work, and links are looked at. */
  wakeAll(why: WakeReason): void {
    for (const peer of this.#peers.values()) peer.wake(why, { greets: true });
  }

  /** An operator asks to try at once. */
  retry(queue: string): void {
    this.#peerOfQueue.get(queue)?.retry(queue);
  }

  /** Undefined for a queue that was never added. */
  describe(queue: string): PeerStatus | undefined {
    return this.#peerOfQueue.get(queue)?.describe(queue);
  }

  /** Closes every link and ends every attempt; resolves when they have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const peer of this.#peers.values()) peer.stop();
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
  }

  #peer(machineName: string): Peer {
    const machine = machineName.toLowerCase();
    const known = this.#peers.get(machine);
    if (known !== undefined) return known;
    const peer = new Peer(machine, this.#options);
    this.#peers.set(machine, peer);
    if (this.#isStopped) peer.stop();
    return peer;
  }

  #open(target: DialTarget): Promise<Link> {
    const { io, network, settings, tls } = this.#options;
    return openLink({
      ...target,
      network,
      clock: io.clock,
      timers: io.timers,
      self: this.#identity(),
      purpose: 'transfer',
      tls: tls?.material,
      allowPlaintext: settings.allowPlaintext,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
  }

  #track(work: Promise<unknown>): void {
    const forget = (): boolean => this.#work.delete(work);
    this.#work.add(work);
    work.then(forget, forget);
  }
}

/** Machines that only send to this one; more are not dialled when its addresses change. */
const KNOWN_MAX = 4096;

export interface PeersOptions {
  readonly io: Io;
  readonly network: Network;
  readonly names: Names;
  readonly settings: NetworkSettings;
  readonly tls: TlsSource | undefined;
  readonly identity: () => Identity;
  readonly logger: Logger;
  /** Default: `openLink`. */
  readonly open?: OpenLink;
}
