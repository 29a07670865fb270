import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import type { QueueManager } from '../src/queues/queue-manager.ts';
import { mysqlResource } from '../src/resources/mysql/mysql-resource.ts';
import { postgresResource } from '../src/resources/postgres/postgres-resource.ts';
import { type DatabaseUrls, INSERT_MARIADB, INSERT_POSTGRES } from './bare-databases.ts';
import { ORDER } from './bench-messages.ts';
import type { Durations } from './statistics.ts';

/**
 * An endpoint as users write one: each message is parsed and handled by a handler that inserts 1 KiB into every database and
 * sends one message of 1 KiB.
 */
export class DistributedEndpoint {
  readonly #manager: QueueManager;
  readonly #options: DistributedLoad;
  readonly #orders;
  readonly #stock;
  #lastRow = 0;
  #handledCount = 0;

  constructor(manager: QueueManager, options: DistributedLoad) {
    this.#manager = manager;
    this.#options = options;
    this.#orders = postgresResource({ name: 'orders', connectionString: options.postgres });
    this.#stock =
      options.mariadb === undefined ? undefined : mysqlResource({ name: 'stock', connectionString: options.mariadb });
  }

  /** Over all rounds. */
  get handledCount(): number {
    return this.#handledCount;
  }

  /** Started, works for `durationMs`, is stopped. The rate counts from the first commit to the last one before the stop. */
  async handleFor(
    durationMs: number,
    latencies: Durations | undefined,
  ): Promise<{ readonly perSecond: number; readonly eventLoopUtilization: number }> {
    const begun = Promise.withResolvers<void>();
    const startedAt = new Map<string, number>();
    const endpoint = this.#makeEndpoint(startedAt).on('handled', ({ messageId }) => {
      latencies?.add(performance.now() - (startedAt.get(messageId) ?? Number.NaN));
      startedAt.delete(messageId);
      this.#handledCount++;
      begun.resolve();
    });
    await endpoint.start();
    await begun.promise;
    const loopBefore = performance.eventLoopUtilization();
    const [countBefore, startedMs] = [this.#handledCount, performance.now()];
    await new Promise((resolve) => setTimeout(resolve, durationMs));
    const seconds = (performance.now() - startedMs) / 1000;
    const perSecond = (this.#handledCount - countBefore) / seconds;
    const { utilization } = performance.eventLoopUtilization(loopBefore);
    await endpoint.stop();
    return { perSecond, eventLoopUtilization: utilization };
  }

  #makeEndpoint(startedAt: Map<string, number>) {
    const { queue, to, concurrency } = this.#options;
    const [orders, stock] = [this.#orders, this.#stock];
    const endpoint = new Endpoint(queue, {
      queueManager: this.#manager,
      concurrency,
      transactions: { mode: 'distributed' },
      resources: stock === undefined ? [orders] : [orders, stock],
      logger: silentLogger,
    });
    return endpoint.handle('Bench.Order', async (order, context) => {
      startedAt.set(context.messageId, performance.now());
      const row = [`handled-${++this.#lastRow}`, JSON.stringify(order)];
      await orders.query(INSERT_POSTGRES, row);
      if (stock !== undefined) await stock.query(INSERT_MARIADB, row);
      await context.send('Bench.Order', ORDER, { to });
    });
  }
}

export interface DistributedLoad extends DatabaseUrls {
  readonly queue: string;
  readonly to: string;
  readonly concurrency: number;
}
