import type { Io, Timer } from '../io/io.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import { readNetworkSettings } from '../transfer/network-options.ts';
import { LocalOperations, readMachine } from './local-operations.ts';
import type { ManagerDescription, OperationName } from './operations.ts';
import { pingFromStopped } from './ping-from-stopped.ts';

/**
 * Does pages of work on a directory that nobody owns.
 *
 * Opening takes tens of milliseconds, so pages that follow each other share one opening, for a quarter of a second at
 * most; then the directory is left alone long enough for a starting queue manager or another verb to get it, which ask again and
 * again.
 */
export class StoppedManager {
  readonly #directory: string;
  readonly #io: Io;
  #open: OpenDirectory | undefined;
  /** The last closing; an opening waits for it, and hears why it failed. */
  #closing: Promise<void> = Promise.resolve();
  #leftAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly directory: string; readonly io: Io }) {
    this.#directory = options.directory;
    this.#io = options.io;
  }

  /** @throws {PosthornError} STORE_OWNED at once when a queue manager has the directory, later when another verb keeps it */
  async perform(operation: OperationName, request: unknown): Promise<unknown> {
    return operation === 'ping' ? await this.#ping(request) : await this.#performOpen(operation, request);
  }

  /** Takes seconds, most of them waiting: the directory is left alone meanwhile. */
  async #ping(request: unknown): Promise<unknown> {
    const machine = readMachine(request);
    const description = await this.#performOpen('describeManager', {});
    await this.close();
    return await pingFromStopped(description as ManagerDescription, machine, this.#io);
  }

  async #performOpen(operation: OperationName, request: unknown): Promise<unknown> {
    const open = await this.#get();
    open.idleTimer?.cancel();
    try {
      // The names are those of `Operations`, and each checks what it is given.
      const page = open.operations[operation] as (request: unknown) => Promise<unknown>;
      return await page.call(open.operations, request);
    } finally {
      if (this.#nowMs() - open.openedAtMs >= OPEN_MS_MAX) await this.close();
      else open.idleTimer = this.#io.timers.after(IDLE_MS_MAX, () => this.#beginClosing(), { keepsProcessAlive: true });
    }
  }

  /** Gives the directory up. Twice is harmless. */
  async close(): Promise<void> {
    this.#beginClosing();
    await this.#closing;
  }

  #beginClosing(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    open.idleTimer?.cancel();
    this.#closing = open.manager.close().finally(() => {
      this.#leftAtMs = this.#nowMs();
    });
    // Whoever opens or closes next awaits it and hears the failure.
    this.#closing.catch(() => undefined);
  }

  async #get(): Promise<OpenDirectory> {
    if (this.#open !== undefined) return this.#open;
    await this.#closing;
    const restMs = this.#leftAtMs + REST_MS - this.#nowMs();
    if (restMs > 0) {
      await new Promise<void>((resolve) => this.#io.timers.after(restMs, resolve, { keepsProcessAlive: true }));
    }
    const manager = await QueueManager.open({
      directory: this.#directory,
      io: this.#io,
      aliases: await aliasesOf(this.#directory),
      purpose: 'cli',
      waitForOwnerMs: OTHER_VERB_WAIT_MS,
    });
    const operations = new LocalOperations(manager, this.#io, undefined, { isStopped: true });
    this.#open = { manager, operations, openedAtMs: this.#nowMs(), idleTimer: undefined };
    return this.#open;
  }

  #nowMs(): number {
    return this.#io.clock.monotonicNowMs();
  }
}

/** None when the settings cannot be read: verbs that need them say why, and the others work without. */
async function aliasesOf(directory: string): Promise<readonly string[]> {
  try {
    return (await readNetworkSettings(directory)).aliases;
  } catch (error) {
    if (error instanceof PosthornError) return [];
    throw error;
  }
}

interface OpenDirectory {
  readonly manager: QueueManager;
  readonly operations: LocalOperations;
  readonly openedAtMs: number;
  idleTimer: Timer | undefined;
}

const OPEN_MS_MAX = 250;
/** A verb that stops to think, or to ask its user, does not keep the directory. */
const IDLE_MS_MAX = 50;
/** Longer than the interval at which an opening one tries. */
const REST_MS = 150;
/** Opening anew for each try would take longer than `REST_MS` on a busy machine, and miss it again and again. */
const OTHER_VERB_WAIT_MS = 5000;
