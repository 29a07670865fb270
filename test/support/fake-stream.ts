import type { OutgoingQueue } from '../../src/queues/transfer-door.ts';
import type { SimulatedIo } from '../../src/testing/simulated-io.ts';
import type { Link } from '../../src/transfer/links/link.ts';
import type { OutgoingStream, StreamView } from '../../src/transfer/streams/stream.ts';
import type { Frame } from '../../src/transfer/wire/frames.ts';

/** An outgoing queue and its stream in one, as far as a peer sees them: messages that wait for a link. */
export class FakeStream implements OutgoingStream {
  readonly queue: string;
  /** Who got what was sent, and where. */
  readonly delivered: { readonly machine: string; readonly address: string; readonly atMs: number }[] = [];
  messages = 0;
  /** Messages stay unacknowledged, as under load. */
  isLoaded = false;
  state: StreamView['state'] = 'detached';
  failure: StreamView['failure'];
  link: Link | undefined;
  channel = 0;
  attachments = 0;
  #pause: StreamView['pause'];
  readonly #io: SimulatedIo;
  readonly #listeners: (() => void)[] = [];

  constructor(queue: string, io: SimulatedIo) {
    this.queue = queue;
    this.#io = io;
  }

  get needsLink(): boolean {
    return this.messages > 0;
  }

  get view(): StreamView {
    return {
      state: this.state,
      pause: this.#pause,
      hold: undefined,
      unacknowledged: this.isLoaded ? this.messages : 0,
      acknowledged: this.delivered.length,
      lastAcknowledgedMs: this.delivered.at(-1)?.atMs,
      epoch: 'epoch',
      failure: this.failure,
    };
  }

  /** The part of an outgoing queue that a peer reads. */
  get asQueue(): OutgoingQueue {
    const [queue = '', machine = ''] = this.queue.split('@');
    const stream = this;
    return {
      name: this.queue,
      destination: { queue, machine },
      get messages() {
        return stream.messages;
      },
      bytes: 0,
      delayed: 0,
    } as unknown as OutgoingQueue;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  put(count = 1): void {
    this.messages += count;
    if (this.state === 'attached') this.#deliver();
    else this.#tell();
  }

  attachTo(link: Link, channel: number): void {
    this.link = link;
    this.channel = channel;
    this.attachments++;
    this.#enter('attaching');
    const queue = this.queue.split('@')[0] ?? '';
    link.send({ type: 'attach', channel, queue, epoch: 'epoch', acked: 0, ackedDigest: '', formerEpochs: [] });
  }

  detach(): void {
    if (this.link === undefined) return;
    this.link = undefined;
    this.#enter('detached');
  }

  frame(frame: Frame): void {
    if (frame.type === 'attached') {
      this.#enter('attached');
      this.#deliver();
    } else if (frame.type === 'detached') {
      const { code, text, retryAfterMs } = frame;
      this.#pause = { code, text, untilMs: this.#io.clock.monotonicNowMs() + retryAfterMs };
      this.#enter('paused');
    }
  }

  drained(): void {}
  hold(): Promise<void> {
    return Promise.resolve();
  }
  release(): Promise<void> {
    return Promise.resolve();
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }

  #deliver(): void {
    const { link } = this;
    if (link === undefined || !link.isOpen) return;
    const atMs = this.#io.clock.monotonicNowMs();
    const to = { machine: link.peer.machine, address: link.remoteAddress, atMs };
    for (let index = 0; index < this.messages; index++) this.delivered.push(to);
    if (!this.isLoaded) this.messages = 0;
  }

  #enter(state: StreamView['state']): void {
    if (state !== 'paused') this.#pause = undefined;
    this.state = state;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
