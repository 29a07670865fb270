import type { IncomingStatus } from './incoming-status.ts';
import { AddressWatch } from './links/address-watch.ts';
import type { Link, LinkHandlers } from './links/link.ts';
import { Listener } from './links/listener.ts';
import type { Self } from './links/open-link.ts';
import type { Peers } from './peers/peers.ts';
import { PingBackAnswers } from './ping/ping-back.ts';
import type { PingDoors } from './ping/ping-doors.ts';
import type { IncomingStreams } from './streams/stream.ts';
import type { TransferOptions } from './transfer-options.ts';

/**
 * What comes in: the listener, when there is one, and the streams on its links. And what tells that the way to others may
 * be another one now: a peer that connects, addresses of this machine that change, a machine that wakes up.
 */
export class Inbound {
  readonly #options: InboundOptions;
  readonly #watch: AddressWatch;
  readonly #listener: Listener | undefined;

  constructor(options: InboundOptions) {
    const { io, network, settings, self, pingDoors } = options;
    this.#options = options;
    this.#watch = new AddressWatch({ network, clock: io.clock, timers: io.timers });
    const answers = new PingBackAnswers(pingDoors);
    if (settings.listen === undefined) return;
    this.#listener = new Listener({
      ...options,
      listen: settings.listen,
      self,
      addressWatch: this.#watch,
      accepted: (link) => this.#accepted(link),
      lookBack: (request, { hello }) => answers.lookAt(hello.identity.machine, request),
    });
  }

  /** The port in use; undefined when nobody can connect. */
  get port(): number | undefined {
    return this.#listener?.port;
  }

  async start(): Promise<void> {
    const { incoming, peers } = this.#options;
    this.#watch.listen((event) => peers.wakeAll(event.kind === 'addressesChanged' ? 'interfaces changed' : 'resumed'));
    this.#watch.start();
    for (const machine of incoming.knownSenders) peers.know(machine);
    await this.#listener?.start();
    // Whoever sent here before may be waiting for this machine at an address that it no longer has.
    if (this.#listener !== undefined) peers.wakeAll('started');
  }

  describe(): IncomingStatus {
    const { self, incoming, io } = this.#options;
    const { machine } = self;
    const listener = this.#listener;
    if (listener === undefined) return { machine, listeners: [], links: [], refusals: [], refusedCount: 0 };
    const nowMs = io.clock.monotonicNowMs();
    return {
      machine,
      listeners: listener.describe(),
      links: listener.links.links.map((link) => ({
        machine: link.peer.machine,
        remoteAddress: link.remoteAddress,
        remotePort: link.remotePort,
        localAddress: link.localAddress,
        isEncrypted: link.isEncrypted,
        sinceMs: io.clock.wallNowMs() - (nowMs - link.sinceMs),
        heardAgoMs: nowMs - link.heardMs,
        streams: incoming.describe(link),
      })),
      refusals: listener.refusals.latest,
      refusedCount: listener.refusals.count,
    };
  }

  /** Takes no more connections and looks no more for changes. The links stay. */
  async stopAccepting(): Promise<void> {
    this.#watch.stop();
    await this.#listener?.stopAccepting();
  }

  /** Also closes the links. */
  async stop(): Promise<void> {
    await this.stopAccepting();
    await this.#listener?.stop();
  }

  #accepted(link: Link): LinkHandlers {
    const { incoming, peers } = this.#options;
    const { machine } = link.peer;
    peers.know(machine);
    peers.wake(machine, 'inbound connection', link.remoteAddress);
    return {
      frame: (frame) => incoming.frame(link, frame),
      drained: () => undefined,
      silent: () => undefined,
      closed: () => incoming.closed(link),
    };
  }
}

export interface InboundOptions extends TransferOptions {
  readonly self: Self;
  readonly incoming: IncomingStreams;
  readonly peers: Peers;
  readonly pingDoors: PingDoors;
}
