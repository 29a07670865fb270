import type { Logger } from '../../src/io/logger.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { OutgoingQueue } from '../../src/queues/transfer-door.ts';
import { SimulatedIo } from '../../src/testing/simulated-io.ts';
import { openIncomingStreams } from '../../src/transfer/streams/incoming-streams.ts';
import { SharedLinkCredit } from '../../src/transfer/streams/link-credit.ts';
import { openOutgoingStream } from '../../src/transfer/streams/outgoing-stream.ts';
import type { IncomingStreams, OutgoingStream, StreamEvent } from '../../src/transfer/streams/stream.ts';
import type { Identity } from '../../src/transfer/wire/frames.ts';
import type { OutgoingMessage } from '../../src/transport/transport.ts';
import { MemoryLink, type MemoryLinkEnd } from './memory-link.ts';
import { MemoryMachine } from './memory-machine.ts';

/** Two machines with the real queue managers, stores and streams; links, time and kills are in the test's hands. */
export class StreamStory {
  readonly world: SimulatedIo;
  readonly alpha: SendingMachine;
  readonly beta: ReceivingMachine;
  readonly clones: SendingMachine[] = [];
  links: MemoryLink[] = [];

  constructor(options: { readonly seed?: number; readonly onReplacedStore?: 'resend' | 'hold' } = {}) {
    this.world = new SimulatedIo({ seed: options.seed ?? 11 });
    this.alpha = new SendingMachine(this.world, options.onReplacedStore);
    this.beta = new ReceivingMachine(this.world);
  }

  /** Both run, and the queue `billing` is there. */
  static async begin(options: ConstructorParameters<typeof StreamStory>[0] = {}): Promise<StreamStory> {
    const story = new StreamStory(options);
    await story.alpha.start();
    await story.beta.start();
    await story.beta.manager.declareQueue('billing');
    return story;
  }

  /** A new link; streams of alpha that need one are attached, and attach again by themselves. */
  connect(from: SendingMachine = this.alpha): MemoryLink {
    this.links = this.links.filter((link) => !link.isCut);
    const link = new MemoryLink(from.identity(), this.beta.identity());
    this.links.push(link);
    this.beta.accept(link.acceptor);
    from.use(link.dialer);
    return link;
  }

  /** A machine with a copy of alpha's disk, beside alpha; it does not run yet. */
  cloneOfAlpha(): SendingMachine {
    const clone = new SendingMachine(this.world, undefined, 'alpha');
    clone.machine.restore(this.alpha.machine.backUp());
    this.clones.push(clone);
    return clone;
  }

  /** Hands frames over and waits for the stores until nothing moves any more. */
  async settle(): Promise<void> {
    for (let stillTurns = 0, turns = 0; stillTurns < STILL_TURNS; turns++) {
      if (turns > TURNS_MAX) throw new Error('the machines do not come to rest');
      const before = this.#activity();
      let hasMoved = false;
      for (const link of this.links) while (link.deliver('data') || link.deliver('answers')) hasMoved = true;
      await turn();
      const isStill = !hasMoved && this.#activity() === before && this.#onTheWay() === 0;
      stillTurns = isStill ? stillTurns + 1 : 0;
    }
  }

  /** Waits for the stores; frames stay where they are. */
  async settleStores(): Promise<void> {
    for (let stillTurns = 0; stillTurns < STILL_TURNS; ) {
      const before = this.#activity();
      await turn();
      const isStill = this.#activity() === before && this.#onTheWay() === 0;
      stillTurns = isStill ? stillTurns + 1 : 0;
    }
  }

  async advance(byMs: number): Promise<void> {
    const { clock, timers } = this.world;
    const untilMs = clock.monotonicNowMs() + byMs;
    await this.settle();
    for (let dueMs = timers.nextDueMs; dueMs !== undefined && dueMs <= untilMs; dueMs = timers.nextDueMs) {
      clock.advance(Math.max(0, dueMs - clock.monotonicNowMs()));
      timers.runDue();
      await this.settle();
    }
    clock.advance(Math.max(0, untilMs - clock.monotonicNowMs()));
  }

  #activity(): number {
    return this.#machines().reduce((sum, { activity }) => sum + activity, 0);
  }

  #onTheWay(): number {
    return this.#machines().reduce((sum, { onTheWay }) => sum + onTheWay, 0);
  }

  #machines(): readonly MemoryMachine[] {
    return [this.alpha.machine, this.beta.machine, ...this.clones.map(({ machine }) => machine)];
  }
}

export class SendingMachine {
  readonly machine: MemoryMachine;
  readonly events: StreamEvent[] = [];
  readonly streams = new Map<string, OutgoingStream>();
  readonly #onReplacedStore: 'resend' | 'hold' | undefined;
  readonly #opening = new Set<Promise<void>>();
  #manager: QueueManager | undefined;
  #link: { end: MemoryLinkEnd; credit: SharedLinkCredit; channels: Map<number, OutgoingStream> } | undefined;
  #lives = 0;
  #channels = 0;
  #messageCount = 0;

  constructor(world: SimulatedIo, onReplacedStore?: 'resend' | 'hold', name = 'alpha') {
    this.machine = new MemoryMachine(name, world);
    this.#onReplacedStore = onReplacedStore;
  }

  get manager(): QueueManager {
    return there(this.#manager);
  }

  get isRunning(): boolean {
    return this.#manager !== undefined;
  }

  /** Of the only outgoing queue, mostly. */
  get stream(): OutgoingStream {
    return there(this.streams.get('billing@beta'));
  }

  identity(): Identity {
    return identityOf(this.machine.name, this.manager, this.#lives);
  }

  async start(): Promise<void> {
    this.#lives++;
    this.#manager = await this.machine.open();
    const door = this.#manager.transferDoor({ missingQueueGraceMs: 0 });
    const open = async (queue: OutgoingQueue): Promise<void> => {
      const stream = await openOutgoingStream({
        queue,
        door,
        io: this.machine.io,
        logger: quiet,
        onEvent: (event) => this.events.push(event),
        onReplacedStore: this.#onReplacedStore,
      });
      if (this.#manager?.storeId === undefined) return;
      this.streams.set(queue.name, stream);
      stream.onChange(() => this.#attach(stream));
      this.#attach(stream);
    };
    door.watchOutgoing((queue) => {
      const opening = open(queue).finally(() => this.#opening.delete(opening));
      this.#opening.add(opening);
    });
    await Promise.all(this.#opening);
  }

  use(end: MemoryLinkEnd): void {
    // What still comes on the link before is for attachments that are over.
    this.#link?.channels.clear();
    this.#link = { end, credit: new SharedLinkCredit(end, this.machine.io.timers), channels: new Map() };
    const { channels } = this.#link;
    end.listen({
      frame: (frame) => {
        if ('channel' in frame) channels.get(frame.channel)?.frame(frame);
      },
      drained: () => {
        for (const stream of channels.values()) stream.drained();
      },
      silent: () => undefined,
      closed: () => {
        if (this.#link?.end === end) this.#link = undefined;
        for (const stream of channels.values()) stream.detach();
      },
    });
    for (const stream of this.streams.values()) this.#attach(stream);
  }

  #attach(stream: OutgoingStream): void {
    const link = this.#link;
    if (link === undefined || !link.end.isOpen || !stream.needsLink) return;
    if ([...link.channels.values()].includes(stream)) return;
    const channel = ++this.#channels;
    link.channels.set(channel, stream);
    stream.attachTo(link.end, channel, link.credit);
  }

  async send(
    texts: readonly string[],
    options: Partial<OutgoingMessage> & { readonly queue?: string } = {},
  ): Promise<void> {
    const { queue = 'billing', ...rest } = options;
    await this.manager.send(texts.map((text) => this.#message(queue, text, rest)));
    await Promise.all(this.#opening);
  }

  #message(queue: string, text: string, options: Partial<OutgoingMessage>): OutgoingMessage {
    const headers = headersOf({ [Header.messageId]: `${text.slice(0, 20)}/${++this.#messageCount}` });
    return { destination: { queue, machine: 'beta' }, body: Buffer.from(text), ...options, headers };
  }

  async stop(): Promise<void> {
    for (const stream of this.streams.values()) await stream.stop();
    await this.manager.close();
    this.#forget();
  }

  crash(): void {
    this.machine.crash();
    this.#forget();
  }

  #forget(): void {
    const { end } = this.#link ?? {};
    this.#link = undefined;
    this.#manager = undefined;
    this.streams.clear();
    if (end !== undefined) {
      end.listen(deaf);
      end.close('RESET', 'the sender died');
    }
  }
}

export class ReceivingMachine {
  readonly machine: MemoryMachine;
  bodyBytesMax = 4 * 1024 * 1024;
  missingQueueGraceMs = 0;
  incoming: IncomingStreams | undefined;
  #manager: QueueManager | undefined;
  #lives = 0;
  readonly #links = new Set<MemoryLinkEnd>();

  constructor(world: SimulatedIo) {
    this.machine = new MemoryMachine('beta', world);
  }

  get manager(): QueueManager {
    return there(this.#manager);
  }

  get isRunning(): boolean {
    return this.#manager !== undefined;
  }

  identity(): Identity {
    return { ...identityOf('beta', this.manager, this.#lives), bodyBytesMax: this.bodyBytesMax };
  }

  async start(): Promise<void> {
    this.#lives++;
    this.#manager = await this.machine.open({ bodyBytesMax: this.bodyBytesMax });
    const door = this.#manager.transferDoor({ missingQueueGraceMs: this.missingQueueGraceMs });
    this.incoming = await openIncomingStreams({ door, logger: quiet });
  }

  accept(end: MemoryLinkEnd): void {
    const incoming = there(this.incoming);
    this.#links.add(end);
    end.listen({
      frame: (frame) => incoming.frame(end, frame),
      drained: () => undefined,
      silent: () => undefined,
      closed: () => {
        this.#links.delete(end);
        incoming.closed(end);
      },
    });
  }

  crash(): void {
    this.machine.crash();
    this.#forget();
  }

  async stop(): Promise<void> {
    await this.incoming?.stop();
    await this.manager.close();
    this.#forget();
  }

  #forget(): void {
    this.#manager = undefined;
    this.incoming = undefined;
    for (const end of this.#links) {
      end.listen(deaf);
      end.close('RESET', 'the receiver died');
    }
    this.#links.clear();
  }
}

export interface SeenMessage {
  readonly text: string;
  readonly isPossibleDuplicate: boolean;
  readonly reason: string | undefined;
}

/** What waits in a queue, in order, without receiving it. */
export async function messagesOf(manager: QueueManager, queue: string): Promise<readonly SeenMessage[]> {
  if (!manager.hasQueue(queue)) return [];
  const seen: SeenMessage[] = [];
  for (let afterPosition: number | undefined, isLast = false; !isLast; ) {
    const after = afterPosition === undefined ? {} : { afterPosition };
    const page = await manager.browse({ queue, countMax: 256, withBodies: true, ...after });
    for (const message of page.messages) {
      const headers = message.headers ?? {};
      seen.push({
        text: Buffer.from(message.body ?? []).toString(),
        isPossibleDuplicate: headers[Header.possibleDuplicate] === 'true',
        reason: headers[Header.deadLetterReason],
      });
    }
    afterPosition = page.lastPosition ?? afterPosition;
    isLast = page.isLast;
  }
  return seen;
}

export async function textsOf(manager: QueueManager, queue: string): Promise<readonly string[]> {
  return (await messagesOf(manager, queue)).map(({ text }) => text);
}

const STILL_TURNS = 6;
const TURNS_MAX = 10_000;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function identityOf(machine: string, manager: QueueManager, life: number): Identity {
  const instanceId = `${machine}-${life}`;
  return { machine, storeId: manager.storeId, instanceId, version: '1', wallMs: 0, bodyBytesMax: 4 * 1024 * 1024 };
}

const deaf = { frame: () => undefined, drained: () => undefined, silent: () => undefined, closed: () => undefined };

const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (text) => {
    if (process.env.STREAM_STORY_LOG !== undefined) process.stderr.write(`${text}\n`);
  },
  error: () => undefined,
  child: () => quiet,
};

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('that machine does not run');
  return value;
}
