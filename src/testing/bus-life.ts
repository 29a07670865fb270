import { Endpoint } from '../endpoint/endpoint.ts';
import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { InvalidOption } from '../message/errors.ts';
import { countOf, written } from '../message/wording.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import { EVERY_EVENT } from '../routing/subscription-store.ts';
import type { Resource } from '../transactions/resource.ts';
import { QueueManagerSubscriptions } from '../transports/queue-manager/queue-manager-subscriptions.ts';
import type { FaultPlan } from './fault-plan.ts';
import { PUBLISHED_SPY_QUEUE } from './message-log.ts';
import type { TestMachine } from './test-machine.ts';

/** What an endpoint of a test stands on. Hand it on as it is: `(options) => new Endpoint('sales', options)`. */
export interface TestEndpointOptions {
  readonly queueManager: QueueManager;
  readonly io: Io;
  readonly logger: Logger;
}

/** Makes an endpoint, handlers and all, not started. Called again after every restart. */
export type EndpointMaker<Resources extends Resource = never> = (options: TestEndpointOptions) => Endpoint<Resources>;

/** One process of a test bus, from its start to its end: a queue manager, its endpoints, and somebody who sends from outside. */
export class BusLife {
  readonly manager: QueueManager;
  /** Sends what the test itself sends. */
  readonly outside: Endpoint;
  readonly #options: TestEndpointOptions;
  readonly #parts: BusLifeParts;
  readonly #endpoints = new Map<string, Endpoint>();
  #handlersActive = 0;

  private constructor(manager: QueueManager, parts: BusLifeParts) {
    this.manager = manager;
    this.#parts = parts;
    this.#options = { queueManager: manager, io: parts.machine.processIo, logger: parts.logger };
    this.outside = new Endpoint(OUTSIDE, { ...this.#options, sendOnly: true });
  }

  static async start(parts: BusLifeParts, makers: readonly EndpointMaker[]): Promise<BusLife> {
    const manager = await parts.machine.openQueueManager();
    const life = new BusLife(manager, parts);
    await manager.declareQueue(PUBLISHED_SPY_QUEUE);
    await (await QueueManagerSubscriptions.of(manager)).subscribe(EVERY_EVENT, { queue: PUBLISHED_SPY_QUEUE });
    await life.outside.start();
    // Made first and started then, so that those that publish at their start find those that subscribe.
    const endpoints = makers.map((make) => life.#make(make));
    for (const endpoint of endpoints) await endpoint.start();
    return life;
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.#endpoints.values()];
  }

  async add<Resources extends Resource>(make: EndpointMaker<Resources>): Promise<Endpoint<Resources>> {
    const endpoint = this.#make(make);
    try {
      await endpoint.start();
    } catch (error) {
      this.#endpoints.delete(endpoint.name); // the test may add a better one
      throw error;
    }
    return endpoint;
  }

  endpoint(name: string): Endpoint | undefined {
    return this.#endpoints.get(name);
  }

  /** What is not at rest, for `quiet` to judge and for people to read. */
  restlessness(): Restlessness {
    const { restless, delayed } = this.#queueCounts();
    let handlersHeldUp = 0;
    for (const endpoint of this.endpoints) handlersHeldUp += endpoint.describe().handlersRunning;
    handlersHeldUp -= this.#handlersActive;
    const texts = [...restless];
    if (this.#handlersActive > 0) texts.push(countOf(this.#handlersActive, 'handler runs', 'handlers run'));
    if (handlersHeldUp > 0) {
      const heldUp = countOf(handlersHeldUp, 'message is', 'messages are');
      texts.push(`${heldUp} held up on the way in or out of a handler`);
    }
    return {
      handlersActive: this.#handlersActive,
      isHeldUp: restless.length > 0 || handlersHeldUp > 0,
      delayed,
      texts,
    };
  }

  /** Ends in good order: handlers that still run are aborted. */
  async stop(): Promise<void> {
    const stopping = Promise.all([...this.endpoints, this.outside].map((endpoint) => endpoint.stop({ timeoutMs: 0 })));
    // A stop that takes its time takes it from the clock of the test.
    let isStopped = false;
    const done = stopping.finally(() => {
      isStopped = true;
    });
    for (let times = 0; !isStopped && times < STOP_TURNS_MAX; times++) await this.#parts.machine.advance(0);
    await done;
    await this.manager.close();
  }

  #make<Resources extends Resource>(make: EndpointMaker<Resources>): Endpoint<Resources> {
    const endpoint = make(this.#options);
    this.#refuseStranger(endpoint);
    endpoint.use('incomingLogical', async (_context, next) => {
      this.#handlersActive++;
      try {
        await next();
      } finally {
        this.#handlersActive--;
      }
    });
    endpoint.use('incomingLogical', this.#parts.faults.behavior());
    endpoint.on('handled', ({ endpoint: name, messageId, attempts }) =>
      this.#parts.onHandled(name, messageId, attempts),
    );
    this.#endpoints.set(endpoint.name, endpoint);
    return endpoint;
  }

  /** Before it is started: an endpoint with a store of its own would handle, and so consume, real messages. */
  #refuseStranger(endpoint: Endpoint<never>): void {
    if (!(endpoint instanceof Endpoint)) {
      const why = `have a maker whose result is ${written(endpoint)}`;
      throw new InvalidOption('endpoints', why, 'Return the Endpoint itself, not started.');
    }
    const { name } = endpoint;
    if (endpoint.queueManager !== this.manager) {
      throw new InvalidOption(
        'endpoints',
        `have a maker of '${name}' that does not hand on its options, so that it would work on another store than the bus`,
        `Write (options) => new Endpoint('${name}', options), or { ...options, … }.`,
      );
    }
    if (this.#endpoints.has(name)) {
      throw new InvalidOption('endpoints', `have two makers of '${name}'`, 'Give one of them another name.');
    }
  }

  #queueCounts(): { restless: string[]; delayed: number } {
    const restless: string[] = [];
    let delayed = 0;
    for (const status of this.manager.status()) {
      delayed += status.delayed;
      const ready = status.messages - status.inFlight;
      if (ready > 0 && this.#endpoints.get(status.queue)?.state === 'running') {
        restless.push(`queue '${status.queue}' has ${countOf(ready, 'ready message')}`);
      }
    }
    return { restless, delayed };
  }
}

export interface BusLifeParts {
  readonly machine: TestMachine;
  readonly faults: FaultPlan;
  readonly logger: Logger;
  readonly onHandled: (endpoint: string, messageId: string, attempts: number) => void;
}

export interface Restlessness {
  readonly handlersActive: number;
  /** Something is ready or unfinished that no handler is at work on: it waits for a pause to end. */
  readonly isHeldUp: boolean;
  readonly delayed: number;
  readonly texts: readonly string[];
}

/** Name of the sender outside all endpoints; also in the headers of what a test sends. */
export const OUTSIDE = 'test';

const STOP_TURNS_MAX = 100;
