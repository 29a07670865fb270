import type { Io } from '../../io/io.ts';
import type { Link, LinkEnd } from '../links/link.ts';
import { SharedLinkCredit } from '../streams/link-credit.ts';
import type { Frame } from '../wire/frames.ts';
import type { PeerStream } from './peer-stream.ts';

/**
 * A link to a peer and the streams that are attached to it, each on a channel of its own. A channel number is used once, so
 * a frame that comes late, for an attachment that is over, reaches nobody.
 */
export class PeerLink {
  readonly link: Link;
  /** As it was dialled. */
  readonly address: string;
  /** Monotonic time at which a stream was attached first: the peer is of use. */
  provenMs: number | undefined;
  /** Monotonic time until which there was something to do. */
  busyMs: number;
  /** Some stream was attached, or tried to be. */
  isUsed = false;
  readonly #io: Io;
  readonly #credit: SharedLinkCredit;
  readonly #channels = new Map<number, PeerStream>();
  readonly #channelOf = new Map<PeerStream, number>();
  #channelCount = 0;

  constructor(link: Link, address: string, io: Io) {
    this.link = link;
    this.address = address;
    this.#io = io;
    this.#credit = new SharedLinkCredit(link, io.timers);
    this.busyMs = io.clock.monotonicNowMs();
  }

  /** In the turn in which the link was made. */
  listen(handlers: PeerLinkHandlers): void {
    this.link.listen({
      frame: (frame) => this.#frame(frame, handlers),
      drained: () => {
        for (const { stream } of [...this.#channels.values()]) stream.drained();
      },
      silent: () => handlers.silent(),
      closed: (end) => handlers.closed(end),
    });
  }

  attach(stream: PeerStream): void {
    const former = this.#channelOf.get(stream);
    if (former !== undefined) this.#channels.delete(former);
    const channel = ++this.#channelCount;
    this.#channels.set(channel, stream);
    this.#channelOf.set(stream, channel);
    this.isUsed = true;
    this.busyMs = this.#io.clock.monotonicNowMs();
    stream.stream.attachTo(this.link, channel, this.#credit);
  }

  /** Lets all streams go; those that were attached, in the order of their channels. */
  takeStreams(): readonly PeerStream[] {
    const streams = [...this.#channels.values()];
    this.#channels.clear();
    this.#channelOf.clear();
    return streams;
  }

  #frame(frame: Frame, handlers: PeerLinkHandlers): void {
    const nowMs = this.#io.clock.monotonicNowMs();
    if (!('channel' in frame)) return;
    this.busyMs = nowMs;
    const stream = this.#channels.get(frame.channel);
    if (stream === undefined) return;
    if (frame.type === 'attached' && this.provenMs === undefined) {
      this.provenMs = nowMs;
      handlers.proven();
    }
    stream.stream.frame(frame);
  }
}

export interface PeerLinkHandlers {
  /** The first stream was attached. */
  proven(): void;
  silent(): void;
  closed(end: LinkEnd): void;
}
