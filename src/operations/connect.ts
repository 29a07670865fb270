import { join } from 'node:path';
import { exists, namesIn } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { isNobodyThere } from '../io/local-socket.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { StoreUnreachable } from '../store/errors.ts';
import type { OwnerRecord } from '../store/owner-record.ts';
import { DATABASE_FILE } from '../store/store-directory.ts';
import { ControlClient, operationsAskedWith } from './control-client.ts';
import { ControlConnectionLost, NoQueueManager, OwnerUnreachable } from './errors.ts';
import type { OperationName, Operations } from './operations.ts';
import { PagePace } from './page-pace.ts';
import { runningOwner } from './running-owner.ts';
import { StoppedManager } from './stopped-manager.ts';

/**
 * A way to the operations of a directory, whoever owns it at the moment:
 *
 *     look who owns it ──a queue manager runs──▶ ask it through its control socket
 *          ▲     └──nobody──▶ open the directory, do pages, close it again (`StoppedManager`)
 *          └── another verb has it, the owner is just starting or ending: wait a moment, look again
 *
 * Every page looks again when its way was lost, so a verb that takes many pages goes on while a host starts or stops.
 * That is safe by O3.
 */
export class OperatorConnection {
  /** Each call is one page; rejects with what the queue manager answers, or as `connectOperations` does. */
  readonly operations: Operations;
  readonly #directory: string;
  readonly #io: Io;
  readonly #stopped: StoppedManager;
  readonly #pace: PagePace;
  #client: ControlClient | undefined;

  constructor(options: ConnectOptions) {
    this.#directory = options.directory;
    this.#io = options.io;
    this.#stopped = new StoppedManager(options);
    this.#pace = new PagePace(options.io);
    this.operations = operationsAskedWith((operation, request) => this.#perform(operation, request));
  }

  /** True when the last page was answered by a queue manager that runs. */
  get isRunning(): boolean {
    return this.#client !== undefined;
  }

  async close(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    await this.#stopped.close();
  }

  async #perform(operation: OperationName, request: unknown): Promise<unknown> {
    const giveUpAtMs = this.#io.clock.monotonicNowMs() + OWNER_WAIT_MS;
    for (;;) {
      try {
        const client = await this.#connect();
        if (client !== undefined) return await this.#pace.ask(operation, () => client.ask(operation, request));
        return await this.#stopped.perform(operation, request);
      } catch (error) {
        if (!isPassing(error) || this.#io.clock.monotonicNowMs() > giveUpAtMs) throw this.#explain(error);
        if (this.#client?.isClosed === true) this.#client = undefined;
        await new Promise<void>((resolve) =>
          this.#io.timers.after(RETRY_DELAY_MS, resolve, { keepsProcessAlive: true }),
        );
      }
    }
  }

  /** Undefined when nobody runs a queue manager here. */
  async #connect(): Promise<ControlClient | undefined> {
    if (this.#client?.isClosed === true) this.#client = undefined;
    if (this.#client !== undefined) return this.#client;
    const record = runningOwner(this.#directory, this.#io);
    if (record?.socketPath === undefined) return undefined;
    try {
      this.#client = await ControlClient.connect(record.socketPath);
      await this.#stopped.close();
      return this.#client;
    } catch (error) {
      // The owner has just died, is ending, or has not begun to listen: the lock tells which.
      if (isNobodyThere(error)) return undefined;
      throw new OwnerUnreachable(this.#directory, describeOwner(record), (error as Error).message, { cause: error });
    }
  }

  #explain(error: unknown): unknown {
    const record = runningOwner(this.#directory, this.#io);
    const isOwned = error instanceof PosthornError && error.code === 'STORE_OWNED';
    if (!isOwned || record === undefined) return error;
    const why =
      record.socketPath === undefined ? 'it has no control socket' : `nobody answers on '${record.socketPath}'`;
    return new OwnerUnreachable(this.#directory, describeOwner(record), why, { cause: error });
  }
}

export interface ConnectOptions {
  readonly directory: string;
  readonly io: Io;
  /** Makes the queue manager's directory when it does not exist; default: refuse. */
  readonly creates?: boolean;
}

/**
 * Finds the way to a directory's queue manager; nothing is opened before the first page.
 *
 * @throws {NoQueueManager} there is none, and it is not to be made
 */
export function connectOperations(options: ConnectOptions): OperatorConnection {
  if (options.creates !== true) requireQueueManager(options.directory);
  return new OperatorConnection(options);
}

/** How long another owner may take to end, or a starting one to answer. */
const OWNER_WAIT_MS = 15_000;
const RETRY_DELAY_MS = 50;

/** What is over in a moment: somebody else's page, an owner that starts or ends. */
const PASSING: ReadonlySet<string> = new Set(['STORE_OWNED', 'QUEUE_MANAGER_CLOSED', 'STORE_CLOSED']);

function isPassing(error: unknown): boolean {
  return error instanceof ControlConnectionLost || (error instanceof PosthornError && PASSING.has(error.code));
}

function requireQueueManager(directory: string): void {
  const names = readNames(directory);
  if (names === undefined)
    throw new NoQueueManager(directory, exists(directory) ? 'it is not a directory' : 'it does not exist');
  if (names.length === 0) throw new NoQueueManager(directory, 'it is empty');
  if (!exists(join(directory, DATABASE_FILE))) throw new NoQueueManager(directory, `it holds no '${DATABASE_FILE}'`);
}

function readNames(directory: string): readonly string[] | undefined {
  try {
    return namesIn(directory);
  } catch (error) {
    throw new StoreUnreachable(directory, error instanceof Error ? error.message : String(error));
  }
}

function describeOwner(record: OwnerRecord): string {
  return `process ${record.pid} on ${record.host}`;
}
