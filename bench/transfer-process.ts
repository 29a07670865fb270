import { Endpoint } from '../src/endpoint/endpoint.ts';
import { silentLogger } from '../src/io/logger.ts';
import { openQueueManager } from '../src/operations/open-queue-manager.ts';
import { answerParent } from './bench-child.ts';
import { fillQueue, ORDER } from './bench-messages.ts';

/*
 * The sending machine of the transfer rows: `node transfer-process.ts DIRECTORY MACHINES`, where MACHINES is the option
 * `machines` as JSON.
 */

const [directory = '', machines = '{}'] = process.argv.slice(2);
const manager = await openQueueManager({
  directory,
  machine: 'sender',
  machines: JSON.parse(machines),
  // The dead ones would fill the screen.
  logger: silentLogger,
});
const endpoint = new Endpoint('sender', { queueManager: manager, logger: silentLogger });
await endpoint.start();

answerParent({
  /** Sends for a while, each send awaited; resolves with the number of messages. */
  async send({ to, concurrency, durationMs }: SendWish): Promise<number> {
    const endMs = performance.now() + durationMs;
    let count = 0;
    const sendOn = async (): Promise<void> => {
      while (performance.now() < endMs) {
        await endpoint.send('Bench.Order', ORDER, { to: to[count % to.length] as string });
        count++;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, sendOn));
    return count;
  },
  /** Puts messages into outgoing queues, in large units, `count` into each. */
  async fill({ to, count }: FillWish): Promise<void> {
    for (const address of to) await fillQueue(manager, address, count);
  },
  /** Messages that wait for the machines whose names begin so. */
  waiting(machinePrefix: string): number {
    const wanted = manager.outgoingStatus().filter(({ machine }) => machine.startsWith(machinePrefix));
    return wanted.reduce((total, { messages }) => total + messages, 0);
  },
  cpuMs(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  memoryBytes(): number {
    return process.memoryUsage().rss;
  },
  async end(): Promise<void> {
    await endpoint.stop();
    await manager.close();
  },
});

export interface SendWish {
  readonly to: readonly string[];
  readonly concurrency: number;
  readonly durationMs: number;
}

export interface FillWish {
  readonly to: readonly string[];
  readonly count: number;
}
