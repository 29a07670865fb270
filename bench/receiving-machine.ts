import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import { openQueueManager } from '../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../src/queues/queue-manager.ts';
import { ORDER } from './bench-messages.ts';

/** A machine of this process that takes messages of others into its queue `in`, and can send to itself as the reference. */
export class ReceivingMachine implements AsyncDisposable {
  readonly manager: QueueManager;
  readonly #endpoint: Endpoint;

  private constructor(manager: QueueManager, endpoint: Endpoint) {
    this.manager = manager;
    this.#endpoint = endpoint;
  }

  static async open(directory: string, machine: string, port: number): Promise<ReceivingMachine> {
    const manager = await openQueueManager({
      directory,
      machine,
      listen: { address: '127.0.0.1', port },
      logger: silentLogger,
    });
    await manager.declareQueue('in');
    const endpoint = new Endpoint('local', { queueManager: manager, logger: silentLogger });
    await endpoint.start();
    return new ReceivingMachine(manager, endpoint);
  }

  get arrivedCount(): number {
    return this.manager.status().find(({ queue }) => queue === 'in')?.messages ?? 0;
  }

  /** Resolves when the count of `in` has reached `count`; looks every few milliseconds, which costs next to nothing. */
  async untilArrived(count: number, limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    while (this.arrivedCount < count) {
      if (performance.now() > endMs) throw new Error(`Only ${this.arrivedCount} of ${count} messages arrived.`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Durable sends within this machine, each awaited; resolves with the rate. */
  async sendLocally(concurrency: number, durationMs: number): Promise<number> {
    const startedMs = performance.now();
    let count = 0;
    const sendOn = async (): Promise<void> => {
      while (performance.now() < startedMs + durationMs) {
        await this.#endpoint.send('Bench.Order', ORDER, { to: 'reference' });
        count++;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, sendOn));
    return count / ((performance.now() - startedMs) / 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint.stop();
    await this.manager.close();
  }
}

const LOOK_MS = 5;

/** Processor time of this process in milliseconds. */
export function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
