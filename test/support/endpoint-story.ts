import { Endpoint } from '../../src/endpoint/endpoint.ts';
import type { EndpointOptions } from '../../src/endpoint/endpoint-options.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { Header, type Headers, headersOf } from '../../src/message/headers.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { QueueStatus } from '../../src/queues/queue-status.ts';
import type { EndpointEventName, EndpointEvents } from '../../src/recoverability/notifications.ts';
import type { Unit } from '../../src/store/store.ts';
import { TestMachine } from '../../src/testing/test-machine.ts';
import type { Resource } from '../../src/transactions/resource.ts';
import type { OutgoingMessage } from '../../src/transport/transport.ts';
import { browseAll } from './browse-all.ts';

/** Endpoints on a machine in memory whose clock stands still until the story moves it. */
export class EndpointStory implements AsyncDisposable {
  readonly machine: TestMachine;
  /** Answers for the store's commits; stories that need a failing store put their own here. */
  onCommit: (unit: Unit, commit: () => Promise<void>) => Promise<void> = (_unit, commit) => commit();
  #manager: QueueManager | undefined;
  #endpoints: Endpoint[] = [];

  constructor() {
    this.machine = new TestMachine({
      name: 'alpha',
      seed: 11,
      watcher: { opened: async () => undefined, commit: (unit, commit) => this.onCommit(unit, commit) },
    });
  }

  static async begin<Story extends EndpointStory>(this: new () => Story): Promise<Story> {
    const story = new this(); // of a kind of story that adds to this one, too
    await story.open();
    return story;
  }

  get manager(): QueueManager {
    if (this.#manager === undefined) throw new Error('the queue manager of this story is not open');
    return this.#manager;
  }

  async open(): Promise<void> {
    this.#manager = await this.machine.openQueueManager({ onFailure: () => undefined });
    await this.settle();
  }

  /** Not started yet. */
  endpoint<Resources extends Resource = never>(
    name: string,
    options: EndpointOptions<Resources> = {},
  ): Endpoint<Resources> {
    const defaults = { queueManager: this.manager, io: this.machine.processIo, logger: silentLogger };
    const endpoint = new Endpoint(name, { ...defaults, ...options });
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  /** Ends the process in good order and opens the next; endpoints are made anew. */
  async restart(): Promise<void> {
    await this.#stopEndpoints();
    await this.manager.close();
    await this.open();
  }

  /** Kills the process and opens the next; endpoints are made anew. */
  async crash(): Promise<void> {
    this.#endpoints = [];
    this.machine.crash();
    await this.open();
  }

  settle(): Promise<void> {
    return this.machine.settle();
  }

  /** Waits until all is still. Timers that are due run; none that is not. */
  advance(byMs: number): Promise<void> {
    return this.machine.advance(byMs);
  }

  /** Puts messages into a queue by hand, past every check of the endpoint. */
  async put(queue: string, message: RawMessage): Promise<void> {
    const { headers = {}, headerBytes, body = '{}' } = message;
    const outgoing: OutgoingMessage = {
      destination: { queue },
      headers: headersOf(headers),
      body: typeof body === 'string' ? Buffer.from(body) : body,
      ...(headerBytes !== undefined && { headerBytes }),
    };
    await this.manager.send([outgoing]);
  }

  status(queue: string): QueueStatus | undefined {
    return this.manager.status().find((each) => each.queue === queue);
  }

  /** What stands in a queue, in order, without receiving. */
  async messagesIn(queue: string): Promise<readonly SeenMessage[]> {
    if (!this.manager.hasQueue(queue)) return [];
    return (await browseAll(this.manager, queue)).map(({ headers, body }) => ({
      headers: headers ?? {},
      body: Buffer.from(body ?? []),
    }));
  }

  /** The only message of a queue. */
  async onlyMessageIn(queue: string): Promise<SeenMessage> {
    const messages = await this.messagesIn(queue);
    const [only] = messages;
    if (only === undefined || messages.length > 1) throw new Error(`'${queue}' holds ${messages.length} messages`);
    return only;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopEndpoints();
    await this.#manager?.close();
  }

  async #stopEndpoints(): Promise<void> {
    const stops = this.#endpoints.map((each) => each.stop({ timeoutMs: 0 }));
    this.#endpoints = [];
    // Stopping waits by the story's clock, which moves only here.
    const all = Promise.all(stops);
    await this.advance(0);
    await all;
  }
}

export interface RawMessage {
  readonly headers?: Headers;
  /** Stored instead of `headers`. */
  readonly headerBytes?: Uint8Array;
  readonly body?: string | Uint8Array;
}

export interface SeenMessage {
  readonly headers: Headers;
  readonly body: Buffer;
}

/** Headers of a message as a stranger would send it. */
export function typed(type: string, more: Headers = {}): Headers {
  return { [Header.messageId]: `id-of-${type}`, [Header.enclosedMessageTypes]: type, ...more };
}

/** Keeps what an endpoint tells, by name. */
export function record<Name extends EndpointEventName>(endpoint: Endpoint, name: Name): EndpointEvents[Name][] {
  const told: EndpointEvents[Name][] = [];
  endpoint.on(name, (event) => told.push(event));
  return told;
}
