import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import type { QueueManager } from '../src/queues/queue-manager.ts';
import { mysqlResource } from '../src/resources/mysql/mysql-resource.ts';
import { postgresResource } from '../src/resources/postgres/postgres-resource.ts';
import { type DatabaseUrls, INSERT_MARIADB, INSERT_POSTGRES } from './bare-databases.ts';
import { ORDER, sendTogether } from './bench-messages.ts';
import type { Durations } from './statistics.ts';

/**
 * An endpoint as users write one: each message is parsed and handled by a handler that inserts 1 KiB into every database and
 * sends one message of 1 KiB. It runs all the time, as its connections do, and has nothing to do between the rounds.
 */
export class DistributedEndpoint implements AsyncDisposable {
  readonly #manager: QueueManager;
  readonly #endpoint: Endpoint<never>;
  readonly #queue: string;
  readonly #startedAt = new Map<string, number>();
  #latencies: Durations | undefined;
  #lastRow = 0;
  #handledCount = 0;
  #awaited = { count: 0, reached: () => {} };

  private constructor(manager: QueueManager, options: DistributedLoad) {
    this.#manager = manager;
    this.#queue = options.queue;
    this.#endpoint = this.#makeEndpoint(options);
  }

  static async start(manager: QueueManager, options: DistributedLoad): Promise<DistributedEndpoint> {
    const started = new DistributedEndpoint(manager, options);
    await started.#endpoint.start();
    return started;
  }

  /** Over all rounds. */
  get handledCount(): number {
    return this.#handledCount;
  }

  /** So many messages are there at once, and are handled: how many a second. */
  async handle(count: number, latencies: Durations | undefined): Promise<HandledRound> {
    this.#latencies = latencies;
    const done = Promise.withResolvers<void>();
    this.#awaited = { count: this.#handledCount + count, reached: done.resolve };
    await sendTogether(this.#manager, this.#queue, count);
    const loopBefore = performance.eventLoopUtilization();
    const startedMs = performance.now();
    await done.promise;
    const seconds = (performance.now() - startedMs) / 1000;
    const { utilization } = performance.eventLoopUtilization(loopBefore);
    return { perSecond: count / seconds, eventLoopUtilization: utilization };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint.stop();
  }

  #makeEndpoint(options: DistributedLoad): Endpoint<never> {
    const { queue, to, concurrency, postgres, mariadb } = options;
    const orders = postgresResource({ name: 'orders', connectionString: postgres });
    const stock = mariadb === undefined ? undefined : mysqlResource({ name: 'stock', connectionString: mariadb });
    const endpoint = new Endpoint(queue, {
      queueManager: this.#manager,
      concurrency,
      transactions: { mode: 'distributed' },
      resources: stock === undefined ? [orders] : [orders, stock],
      logger: silentLogger,
    });
    endpoint.handle('Bench.Order', async (order, context) => {
      this.#startedAt.set(context.messageId, performance.now());
      const row = [`handled-${++this.#lastRow}`, JSON.stringify(order)];
      await orders.query(INSERT_POSTGRES, row);
      if (stock !== undefined) await stock.query(INSERT_MARIADB, row);
      await context.send('Bench.Order', ORDER, { to });
    });
    endpoint.on('handled', ({ messageId }) => this.#handled(messageId));
    return endpoint as unknown as Endpoint<never>;
  }

  #handled(messageId: string): void {
    this.#latencies?.add(performance.now() - (this.#startedAt.get(messageId) ?? Number.NaN));
    if (++this.#handledCount === this.#awaited.count) this.#awaited.reached();
  }
}

export interface DistributedLoad extends DatabaseUrls {
  readonly queue: string;
  readonly to: string;
  readonly concurrency: number;
}

export interface HandledRound {
  readonly perSecond: number;
  readonly eventLoopUtilization: number;
}
