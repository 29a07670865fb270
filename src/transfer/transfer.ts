import { packageVersion } from '../io/package-version.ts';
import type { OutgoingQueue } from '../queues/transfer-door.ts';
import { Inbound } from './inbound.ts';
import type { IncomingStatus } from './incoming-status.ts';
import type { Self } from './links/open-link.ts';
import type { OutgoingStatus } from './outgoing-status.ts';
import { Peers } from './peers/peers.ts';
import { noListener, type PingedFrom, ping } from './ping/ping.ts';
import type { PingDoors } from './ping/ping-doors.ts';
import { probeDoors } from './ping/probe-doors.ts';
import type { PingReport } from './ping-report.ts';
import { openIncomingStreams } from './streams/incoming-streams.ts';
import { openOutgoingStream } from './streams/outgoing-stream.ts';
import type { IncomingStreams, OutgoingStream } from './streams/stream.ts';
import type { TransferOperations } from './transfer-operations.ts';
import type { TransferOptions } from './transfer-options.ts';

/**
 * The traffic of one queue manager with other machines: what stands in its outgoing queues goes out, what arrives goes into
 * its queues, exactly once and in order (G-T1…T12).
 *
 *     outgoing queue ─▶ stream ─▶ peer ─▶ link ══▶ listener ─▶ incoming streams ─▶ queue
 *
 * Order of the end: no new connections; streams settle the units that are under way; links close; what arrived is committed.
 */
export class Transfer implements TransferOperations {
  readonly #options: TransferOptions;
  readonly #peers: Peers;
  readonly #incoming: IncomingStreams;
  readonly #inbound: Inbound;
  readonly #pingDoors: PingDoors;
  readonly #queues = new Map<string, OutgoingQueue>();
  readonly #streams = new Map<string, OutgoingStream>();
  readonly #opening = new Set<Promise<void>>();
  #isStopped = false;

  private constructor(options: TransferOptions, incoming: IncomingStreams) {
    const { door, io, network, names, settings, tls, logger } = options;
    this.#options = options;
    this.#incoming = incoming;
    const self: Self = {
      machine: door.machine,
      storeId: door.storeId,
      instanceId: io.random.uuid(),
      version: packageVersion(),
      bodyBytesMax: door.bodyBytesMax,
    };
    const identity = () => ({ ...self, wallMs: io.clock.wallNowMs() });
    this.#peers = new Peers({ io, network, names, settings, tls, logger, identity });
    this.#pingDoors = probeDoors(options, self);
    this.#inbound = new Inbound({ ...options, self, incoming, peers: this.#peers, pingDoors: this.#pingDoors });
  }

  /**
   * Begins to send and, when the settings say so, to listen. A listener that cannot listen keeps trying and shows why:
   * that is no reason not to start.
   */
  static async start(options: TransferOptions): Promise<Transfer> {
    const { door, logger } = options;
    const incoming = await openIncomingStreams({ door, logger });
    const transfer = new Transfer(options, incoming);
    door.watchOutgoing((queue) => transfer.#found(queue));
    await transfer.#inbound.start();
    return transfer;
  }

  async describeOutgoing(): Promise<readonly OutgoingStatus[]> {
    const described: OutgoingStatus[] = [];
    for (const queue of [...this.#queues.values()].sort((one, other) => (one.name < other.name ? -1 : 1))) {
      const status = this.#peers.describe(queue.name);
      if (status === undefined) continue;
      const oldestMs = await queue.oldestSentMs();
      const nowMs = this.#options.io.clock.wallNowMs();
      described.push({ ...status, oldestAgeMs: oldestMs === undefined ? undefined : Math.max(0, nowMs - oldestMs) });
    }
    return described;
  }

  describeIncoming(): IncomingStatus {
    return this.#inbound.describe();
  }

  async hold(queue: string, by: string): Promise<void> {
    await this.#streams.get(queue)?.hold(by);
  }

  async release(queue: string): Promise<void> {
    await this.#streams.get(queue)?.release();
  }

  retry(queue: string): void {
    this.#peers.retry(queue);
  }

  ping(machine: string): Promise<PingReport> {
    return ping(machine, this.#pingDoors, this.#pingedFrom(machine));
  }

  /** Twice is harmless. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await this.#inbound.stopAccepting();
    await Promise.all(this.#opening);
    await Promise.all([...this.#streams.values()].map((stream) => stream.stop()));
    await this.#peers.stop();
    await this.#incoming.stop();
    await this.#inbound.stop();
  }

  #found(queue: OutgoingQueue): void {
    this.#queues.set(queue.name, queue);
    const opening = this.#open(queue).finally(() => this.#opening.delete(opening));
    this.#opening.add(opening);
  }

  async #open(queue: OutgoingQueue): Promise<void> {
    const { door, io, logger } = this.#options;
    try {
      const stream = await openOutgoingStream({ queue, door, io, logger });
      this.#streams.set(queue.name, stream);
      if (this.#isStopped) return;
      this.#peers.add(stream, queue);
    } catch (error) {
      if (this.#isStopped) return;
      logger.error(`The outgoing queue ${queue.name} could not be read; it is tried again.`, { error });
      io.timers.after(REOPEN_MS, () => {
        if (!this.#isStopped) this.#found(queue);
      });
    }
  }

  #pingedFrom(machine: string): PingedFrom {
    const listenPort = this.#inbound.port;
    return listenPort === undefined ? noListener(machine) : { listenPort };
  }
}

const REOPEN_MS = 1_000;
