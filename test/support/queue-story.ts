import { Header, headersOf } from '../../src/message/headers.ts';
import { parseHeaders } from '../../src/message/parse-headers.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { QueueManagerOptions } from '../../src/queues/queue-manager-options.ts';
import type { QueueStatus } from '../../src/queues/queue-status.ts';
import type { QueuePlaceKind } from '../../src/store/store.ts';
import { TestMachine } from '../../src/testing/test-machine.ts';
import type { Delivery, OutgoingMessage, Receiver } from '../../src/transport/transport.ts';
import { browseAll } from './browse-all.ts';

/** A queue manager on a machine in memory, with what the stories about queues need to be short. */
export class QueueStory implements AsyncDisposable {
  readonly machine = new TestMachine({ seed: 7 });
  readonly failures: unknown[] = [];
  #manager: QueueManager | undefined;
  #messageCount = 0;

  static async begin(): Promise<QueueStory> {
    const story = new QueueStory();
    await story.open();
    return story;
  }

  get manager(): QueueManager {
    if (this.#manager === undefined) throw new Error('the queue manager of this story is not open');
    return this.#manager;
  }

  async open(): Promise<void> {
    this.#manager = await this.machine.openQueueManager({
      onFailure: (error) => this.failures.push(error),
      ...this.openOptions(),
    });
    await this.machine.settle();
  }

  protected openOptions(): Pick<QueueManagerOptions, 'makeCoordinator'> {
    return {};
  }

  /** Ends the process in good order and starts the next. */
  async restart(): Promise<void> {
    await this.manager.close();
    await this.open();
  }

  /** Kills the process and starts the next. */
  async crash(): Promise<void> {
    this.machine.crash();
    await this.open();
  }

  /** Messages whose bodies are these texts, in one unit of work. */
  async send(queue: string, texts: string | readonly string[], options: MessageOptions = {}): Promise<void> {
    await this.sendAll((typeof texts === 'string' ? [texts] : texts).map((text) => this.message(queue, text, options)));
  }

  /** In one unit of work. */
  async sendAll(messages: readonly OutgoingMessage[]): Promise<void> {
    const work = this.manager.begin();
    await this.manager.send(messages, work);
    await work.commit();
  }

  message(queue: string, text: string, options: MessageOptions = {}): OutgoingMessage {
    const headers = headersOf({ [Header.messageId]: `message-${++this.#messageCount}`, ...options.headers });
    return { destination: { queue }, body: Buffer.from(text), ...options, headers };
  }

  /** Receives the next message and leaves it locked; undefined when none is ready. */
  async receive(receiver: Receiver): Promise<Delivery | undefined> {
    await this.machine.settle();
    let delivery = receiver.receive();
    if (delivery === undefined) {
      // The first look at a queue begins the read of its first page.
      await this.machine.settle();
      delivery = receiver.receive();
    }
    if (delivery !== undefined) receiver.noteStarts();
    return delivery;
  }

  /** Takes everything that is ready, one unit each; the bodies in the order of their receipt. */
  async drain(queue: string): Promise<string[]> {
    const receiver = await this.manager.openReceiver(queue);
    const texts: string[] = [];
    for (let delivery = await this.receive(receiver); delivery !== undefined; delivery = await this.receive(receiver)) {
      texts.push(textOf(delivery));
      await this.complete(delivery);
    }
    receiver.close();
    return texts;
  }

  async complete(delivery: Delivery): Promise<void> {
    const work = this.manager.begin();
    delivery.complete(work);
    await work.commit();
  }

  async advance(byMs: number): Promise<void> {
    await this.machine.advance(byMs);
  }

  status(queue: string): QueueStatus {
    const status = this.manager.status().find((each) => each.queue === queue);
    if (status === undefined) throw new Error(`there is no queue '${queue}'`);
    return status;
  }

  /** Bodies of what waits, in order, without receiving. */
  async waiting(queue: string, kind: QueuePlaceKind = 'queue'): Promise<string[]> {
    return (await browseAll(this.manager, queue, kind)).map(({ body }) => Buffer.from(body ?? []).toString());
  }

  async headersIn(queue: string): Promise<(Readonly<Record<string, string>> | undefined)[]> {
    return (await browseAll(this.manager, queue)).map(({ headers }) => headers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#manager?.close();
  }
}

export type MessageOptions = Partial<Omit<OutgoingMessage, 'destination' | 'body'>>;

export function textOf(delivery: Delivery): string {
  return Buffer.from(delivery.body).toString();
}

export function headersIn(delivery: Delivery): Readonly<Record<string, string>> {
  return parseHeaders(delivery.headers) ?? {};
}
