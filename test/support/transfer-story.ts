import { Header } from '../../src/message/headers.ts';
import { parseHeaders } from '../../src/message/parse-headers.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { WindowEntry } from '../../src/queues/receive-window.ts';
import type { ArrivedMessage, DeliverAnswer, OutgoingQueue, TransferDoor } from '../../src/queues/transfer-door.ts';
import { type MessageOptions, QueueStory } from './queue-story.ts';

/** A queue manager in memory, seen by the transfer between machines: what a stream does with its queues, without a network. */
export class TransferStory extends QueueStory {
  readonly #graceMs: number;
  #door: { readonly manager: QueueManager; readonly door: TransferDoor } | undefined;

  protected constructor(graceMs: number) {
    super();
    this.#graceMs = graceMs;
  }

  static override async begin(options: { readonly missingQueueGraceMs?: number } = {}): Promise<TransferStory> {
    const story = new TransferStory(options.missingQueueGraceMs ?? 0);
    await story.open();
    return story;
  }

  /** Of the process that runs now. */
  get door(): TransferDoor {
    if (this.#door?.manager !== this.manager) {
      const door = this.manager.transferDoor({ missingQueueGraceMs: this.#graceMs });
      this.#door = { manager: this.manager, door };
    }
    return this.#door.door;
  }

  async sendTo(address: string, texts: string | readonly string[], options: MessageOptions = {}): Promise<void> {
    const [queue = '', machine = ''] = address.split('@');
    const all = typeof texts === 'string' ? [texts] : texts;
    await this.sendAll(all.map((text) => ({ ...this.message(queue, text, options), destination: { queue, machine } })));
  }

  outgoing(name: string): OutgoingQueue {
    let found: OutgoingQueue | undefined;
    this.door.watchOutgoing((queue) => {
      if (queue.name === name) found = queue;
    });
    if (found === undefined) throw new Error(`there is no outgoing queue '${name}'`);
    return found;
  }

  /** As many as are ready now, locked by the stream; bodies in their order. */
  async take(queue: OutgoingQueue, countMax = Number.POSITIVE_INFINITY): Promise<WindowEntry[]> {
    const taken: WindowEntry[] = [];
    while (taken.length < countMax) {
      let entry = queue.takeNext();
      if (entry === undefined) {
        // The first look begins the read of a page.
        await this.machine.settle();
        entry = queue.takeNext();
      }
      if (entry === undefined) return taken;
      taken.push(entry);
    }
    return taken;
  }

  /** What a stream does before it sends: from now on the messages may have left. */
  async noteSent(queue: OutgoingQueue, upToPosition: number): Promise<void> {
    const work = this.manager.begin();
    queue.setSentUpTo(upToPosition, work);
    await work.commit();
  }

  async acknowledge(queue: OutgoingQueue, entries: readonly WindowEntry[]): Promise<void> {
    const work = this.manager.begin();
    queue.complete(entries.map(pinnedOf), work);
    await work.commit();
  }

  /** A message from beta, in a unit of its own. */
  async arrive(
    queue: string,
    text: string,
    options: Partial<ArrivedMessage> & HeaderOptions = {},
  ): Promise<DeliverAnswer> {
    const work = this.manager.begin();
    const answer = this.door.deliver(this.arrival(queue, text, options), work);
    await work.commit();
    return answer;
  }

  arrival(queue: string, text: string, options: Partial<ArrivedMessage> & HeaderOptions = {}): ArrivedMessage {
    const { extraHeaders, ...rest } = options;
    return {
      queue,
      fromMachine: 'beta',
      headers: Buffer.from(JSON.stringify({ [Header.messageId]: `from-beta-${text}`, ...extraHeaders })),
      body: Buffer.from(text),
      priority: 3,
      timeToBeReceivedMs: undefined,
      isPossibleDuplicate: false,
      ...rest,
    };
  }
}

export interface HeaderOptions {
  readonly extraHeaders?: Readonly<Record<string, string>>;
}

export function pinnedOf(entry: WindowEntry): { readonly position: number; readonly byteCount: number } {
  return { position: entry.position, byteCount: entry.headers.byteLength + entry.body.byteLength };
}

export function textsOf(entries: readonly { readonly body: Uint8Array | undefined }[]): string[] {
  return entries.map(({ body }) => Buffer.from(body ?? []).toString());
}

export function headersOfEntry(entry: { readonly headers: Uint8Array }): Readonly<Record<string, string>> {
  return parseHeaders(entry.headers) ?? {};
}
