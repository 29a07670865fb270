import type { Io } from '../../io/io.ts';
import { isNobodyThere } from '../../io/local-socket.ts';
import type { PosthornError } from '../../message/posthorn-error.ts';
import { ControlClient, operationsAskedWith } from '../../operations/control-client.ts';
import { ControlConnectionLost, OwnerUnreachable, QueueManagerNotRunning } from '../../operations/errors.ts';
import type { ManagerDescription } from '../../operations/operations.ts';
import { runningOwner } from '../../operations/running-owner.ts';

/**
 * The connection to whoever owns a directory, made anew when it is lost:
 *
 *     absent ──client()──▶ connecting ──attached──▶ attached ──lost──▶ absent
 *                              └──nobody there yet: again, until the deadline
 *
 * An owner that ended is waited for by who was attached to it: it may be starting again. Who was not yet need not wait.
 *
 * Invariant: a connection is handed out only after the queue manager has given up this sender's older ones, and only to
 * the store that the first one led to. Else a repeated send could be stored twice.
 */
export class OwnerLink {
  readonly #directory: string;
  readonly #io: Io;
  readonly #sender: string;
  #client: ControlClient | undefined;
  #connecting: Promise<ControlClient> | undefined;
  #manager: ManagerDescription | undefined;
  #isClosed = false;

  constructor(options: { readonly directory: string; readonly io: Io; readonly sender: string }) {
    this.#directory = options.directory;
    this.#io = options.io;
    this.#sender = options.sender;
  }

  /** The name of the owner's machine; known once a connection was made. */
  get machine(): string {
    return this.#manager?.machine ?? '';
  }

  get socketPath(): string {
    return this.#client?.socketPath ?? this.#directory;
  }

  /**
   * A connection that is attached.
   *
   * @throws {OwnerUnreachable} none could be made before `deadlineMs` of the monotonic clock, or it leads to another store
   * @throws {QueueManagerNotRunning} nobody owns the directory: at once before the first connection, then at the deadline
   */
  async client(deadlineMs: number): Promise<ControlClient> {
    if (this.#isClosed) throw new ControlConnectionLost(this.socketPath, 'this endpoint is closed; nothing was sent');
    if (this.#client !== undefined && !this.#client.isClosed) return this.#client;
    this.#connecting ??= this.#connect(deadlineMs).finally(() => {
      this.#connecting = undefined;
    });
    return await this.#connecting;
  }

  /** Tells which sends may be forgotten, and ends the connection. */
  async close(settled: readonly string[]): Promise<void> {
    this.#isClosed = true;
    const client = this.#client;
    if (client === undefined || client.isClosed) return;
    try {
      if (settled.length > 0) await client.ask('send', { messages: [], settled });
    } catch (error) {
      // The owner ended first. It forgets the names by itself after a day.
      if (!(error instanceof ControlConnectionLost)) throw error;
    } finally {
      client.close();
    }
  }

  async #connect(deadlineMs: number): Promise<ControlClient> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(RETRY_MS_MAX, delayMs * 2)) {
      const client = await this.#tryOnce();
      if (client !== undefined) return client;
      const owner = runningOwner(this.#directory, this.#io);
      const mayCome = owner !== undefined || this.#manager !== undefined;
      if (!mayCome || this.#io.clock.monotonicNowMs() + delayMs > deadlineMs) throw this.#nobodyThere(owner);
      await new Promise<void>((resolve) => this.#io.timers.after(delayMs, resolve, { keepsProcessAlive: true }));
    }
  }

  /** Undefined when nobody is there, yet or any more. */
  async #tryOnce(): Promise<ControlClient | undefined> {
    const socketPath = runningOwner(this.#directory, this.#io)?.socketPath;
    if (socketPath === undefined) return undefined;
    let client: ControlClient | undefined;
    try {
      client = await ControlClient.connect(socketPath);
      await client.ask('attach', { sender: this.#sender });
      const connected = client;
      const manager = await operationsAskedWith((operation, request) =>
        connected.ask(operation, request),
      ).describeManager();
      this.#requireSameStore(manager);
      this.#client = client;
      return client;
    } catch (error) {
      client?.close();
      if (error instanceof ControlConnectionLost || isNobodyThere(error)) return undefined;
      throw error;
    }
  }

  #nobodyThere(owner: ReturnType<typeof runningOwner>): PosthornError {
    if (owner === undefined) {
      return new QueueManagerNotRunning(this.#directory, 'its last owner has ended and nothing was sent');
    }
    const who = `process ${owner.pid} on ${owner.host}`;
    return new OwnerUnreachable(this.#directory, who, 'nobody answers on its control socket');
  }

  #requireSameStore(manager: ManagerDescription): void {
    if (this.#manager !== undefined && this.#manager.storeId !== manager.storeId) {
      const owner = `process ${manager.pid}`;
      throw new OwnerUnreachable(this.#directory, owner, 'its store is another one than before; attach anew');
    }
    this.#manager = manager;
  }
}

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 500;
