import type { Endpoint } from '../endpoint/endpoint.ts';
import {
  acquireQueueManager,
  type EmbeddedOptions,
  type SharedQueueManager,
} from '../endpoint/shared-queue-managers.ts';
import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { parseAddress } from '../message/address.ts';
import { loadEndpoints } from './load-endpoints.ts';

/**
 * Runs the endpoints of some modules on one embedded queue manager.
 *
 *     created ──start()──▶ starting ──▶ running ──stop()──▶ stopping ──▶ stopped
 *                              └──failed: what was started is stopped again──┘
 *
 * The directory is owned before any module is loaded, so a second host is refused before code of its user runs. Queues
 * are made before the first endpoint starts: endpoints may send to each other from their first message on.
 */
export class Host {
  readonly #options: HostOptions;
  #endpoints: readonly Endpoint[] = [];
  #shared: SharedQueueManager | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  /**
   * Resolves when all endpoints run. May be called twice.
   *
   * @throws {PosthornError} STORE_OWNED with the owner's pid, ENDPOINT_MODULE_INVALID, and what an endpoint's start says;
   * nothing runs then
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Stops all endpoints, the last started first: no new messages, `timeoutMs` for handlers that run, then these are aborted
   * and their messages given back. A second call with a shorter time cuts the first short.
   */
  async stop(options: { readonly timeoutMs: number }): Promise<void> {
    const again = this.#stopping !== undefined;
    this.#stopping ??= this.#stop(options.timeoutMs);
    if (again) for (const endpoint of this.#endpoints) void endpoint.stop(options);
    await this.#stopping;
  }

  async #start(): Promise<void> {
    const { files, directory, queueManager, role, logger, io, onCriticalError } = this.#options;
    this.#shared = await acquireQueueManager(directory, { ...queueManager, logger });
    try {
      const { manager } = this.#shared;
      this.#endpoints = await loadEndpoints(files, { directory, queueManager: manager, role, logger });
      for (const endpoint of this.#endpoints) endpoint.useDefaults({ directory, role, logger, io, onCriticalError });
      for (const endpoint of this.#endpoints) {
        const { name, errorQueue } = endpoint.describe();
        for (const queue of [name, errorQueue]) {
          // One of another machine is made there, by whoever receives from it.
          if (manager.isHere(parseAddress(queue).machine)) await manager.declareQueue(queue);
        }
      }
      for (const endpoint of this.#endpoints) {
        await endpoint.start();
      }
    } catch (error) {
      await this.#stop(0);
      throw error;
    }
  }

  async #stop(timeoutMs: number): Promise<void> {
    try {
      const stops = [...this.#endpoints].reverse().map((endpoint) => endpoint.stop({ timeoutMs }));
      const results = await Promise.allSettled(stops);
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } finally {
      await this.#shared?.release();
    }
  }
}

export interface HostOptions {
  /** Endpoint modules, see `loadEndpoints`. */
  readonly files: readonly string[];
  readonly directory: string;
  /** Name of the machine and where it listens; what is left out is as in the directory and its `network.json`. */
  readonly queueManager?: Omit<EmbeddedOptions, 'logger'>;
  /** For endpoints that do not name one themselves. */
  readonly role: 'server' | 'client';
  readonly logger: Logger;
  readonly io: Io;
  /** For endpoints that do not have their own. */
  readonly onCriticalError: (critical: {
    readonly what: string;
    readonly error: Error;
    readonly endpoint: string;
  }) => void;
}
