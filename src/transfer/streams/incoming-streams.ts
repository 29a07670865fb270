import type { Logger } from '../../io/logger.ts';
import type { TransferDoor } from '../../queues/transfer-door.ts';
import type { Link } from '../links/link.ts';
import type { Attach, Data, Frame } from '../wire/frames.ts';
import { readSenders } from './former-epochs.ts';
import { IncomingAttachment } from './incoming-attachment.ts';
import { IncomingStream } from './incoming-stream.ts';
import type { IncomingStreams } from './stream.ts';

/**
 * Opens the receiver's end of all streams of this machine. Reads who has sent here before; the streams themselves are read
 * when they attach, and forgotten when nobody uses them.
 *
 * A stream is known by the sender's store and the queue; an attachment by its link and channel. An ATTACH on a
 * channel in use ends what was there, without a word: the sender itself has begun anew.
 */
export async function openIncomingStreams(options: IncomingStreamsOptions): Promise<IncomingStreams> {
  return new Receiver(options, await readSenders(options.door));
}

export interface IncomingStreamsOptions {
  readonly door: TransferDoor;
  readonly logger: Logger;
}

interface Use {
  readonly attachment: IncomingAttachment;
  readonly stream: IncomingStream;
}

class Receiver implements IncomingStreams {
  readonly #options: IncomingStreamsOptions;
  readonly #knownSenders: readonly string[];
  readonly #streams = new Map<string, IncomingStream>();
  /** By channel. */
  readonly #links = new Map<Link, Map<number, Use>>();
  readonly #whenIdle: (() => void)[] = [];
  #isStopping = false;

  constructor(options: IncomingStreamsOptions, senders: Set<string>) {
    this.#options = options;
    this.#knownSenders = [...senders];
  }

  get knownSenders(): readonly string[] {
    return this.#knownSenders;
  }

  frame(link: Link, frame: Frame): void {
    if (this.#isStopping) return;
    if (frame.type === 'attach') this.#attach(link, frame);
    else if (frame.type === 'data') this.#data(link, frame);
  }

  closed(link: Link): void {
    const uses = this.#links.get(link);
    this.#links.delete(link);
    for (const { stream, attachment } of uses?.values() ?? []) stream.leave(attachment);
  }

  describe(link: Link): readonly { readonly queue: string; readonly last: number; readonly received: number }[] {
    const uses = [...(this.#links.get(link)?.values() ?? [])];
    return uses.map(({ stream, attachment }) => ({
      queue: stream.queue,
      last: stream.last,
      received: attachment.received,
    }));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const link of [...this.#links.keys()]) this.closed(link);
    if (this.#streams.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #attach(link: Link, frame: Attach): void {
    const { channel, queue } = frame;
    const { storeId } = link.peer;
    const uses = this.#links.get(link) ?? new Map<number, Use>();
    this.#links.set(link, uses);
    const former = uses.get(channel);
    former?.stream.leave(former.attachment);
    uses.delete(channel);
    if (uses.size >= CHANNELS_KEPT)
      for (const [ended, use] of uses) if (use.attachment.state === 'ended') uses.delete(ended);
    if (uses.size >= CHANNELS_MAX) {
      link.close('MALFORMED', `More than ${CHANNELS_MAX} streams were attached on one link.`);
      return;
    }
    const stream = this.#streamOf(storeId, queue);
    const attachment = new IncomingAttachment(link, channel);
    uses.set(channel, { attachment, stream });
    void stream.attach(attachment, frame);
  }

  #data(link: Link, frame: Data): void {
    const use = this.#links.get(link)?.get(frame.channel);
    if (use !== undefined) {
      use.stream.data(use.attachment, frame);
      return;
    }
    const text = `No stream is attached on channel ${frame.channel}.`;
    link.send({ type: 'detached', channel: frame.channel, code: 'OUT_OF_SEQUENCE', text, retryAfterMs: 1_000 });
  }

  #streamOf(storeId: string, queue: string): IncomingStream {
    const key = `${storeId}/${queue}`;
    const known = this.#streams.get(key);
    if (known !== undefined) return known;
    const { door, logger } = this.#options;
    const stream = new IncomingStream({ door, logger, storeId, queue, idle: () => this.#forget(key) });
    this.#streams.set(key, stream);
    return stream;
  }

  #forget(key: string): void {
    this.#streams.delete(key);
    if (this.#streams.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

/** From here on those that have ended are forgotten. */
const CHANNELS_KEPT = 1024;
/** As many as one machine can have outgoing queues. */
const CHANNELS_MAX = 32_767;
