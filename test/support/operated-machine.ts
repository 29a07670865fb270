import { silentLogger } from '../../src/io/logger.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { type CommandResult, posthorn, temporaryDirectory } from './command-line.ts';
import { FakeTransactions } from './fake-transactions.ts';

/** A queue manager that runs in this process, with transactions as the test says; the CLI asks it over its socket. */
export class OperatedMachine implements AsyncDisposable {
  readonly fake: FakeTransactions;
  readonly manager: QueueManager;
  readonly #directory: ReturnType<typeof temporaryDirectory>;

  private constructor(directory: ReturnType<typeof temporaryDirectory>, manager: QueueManager, fake: FakeTransactions) {
    this.#directory = directory;
    this.manager = manager;
    this.fake = fake;
  }

  static async start(): Promise<OperatedMachine> {
    const directory = temporaryDirectory();
    const fake = new FakeTransactions(() => manager);
    const manager = await openQueueManager({
      directory: directory.path,
      machine: 'alpha',
      logger: silentLogger,
      makeCoordinator: () => fake,
    });
    return new OperatedMachine(directory, manager, fake);
  }

  get path(): string {
    return this.#directory.path;
  }

  posthorn(...given: readonly string[]): Promise<CommandResult> {
    return posthorn([...given, '--directory', this.path]);
  }

  async send(queue: string, count: number, more: Readonly<Record<string, string>> = {}): Promise<void> {
    for (let index = 0; index < count; index++) {
      const headers = headersOf({ [Header.messageId]: `${queue}-${index}`, ...more });
      await this.manager.send([{ destination: { queue }, headers, body: new Uint8Array(1), priority: index % 8 }]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    this.#directory[Symbol.dispose]();
  }
}
