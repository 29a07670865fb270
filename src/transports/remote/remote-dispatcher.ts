import type { Io } from '../../io/io.ts';
import { formatAddress } from '../../message/address.ts';
import { invariant, PosthornError } from '../../message/posthorn-error.ts';
import { ControlConnectionLost, OwnerUnreachable, QueueManagerNotRunning } from '../../operations/errors.ts';
import type { SendRequest, SentMessage } from '../../operations/operations.ts';
import { runningOwner } from '../../operations/running-owner.ts';
import { makeSendGate, type SendGate } from '../../operations/send-gate.ts';
import { sendOutcomeUnknown } from '../../operations/send-outcome-unknown.ts';
import type { UnitOfWork } from '../../transactions/unit-of-work.ts';
import type { Dispatcher, OutgoingMessage } from '../../transport/transport.ts';
import { OwnerLink } from './owner-link.ts';
import { RemoteSubscriptions } from './remote-subscriptions.ts';

/**
 * Sends through the queue manager that another process of this machine runs.
 *
 * A send resolves after the owner's sync. When the owner dies or restarts meanwhile, the send is repeated to whoever owns
 * the directory next, under the name that it had: the queue manager keeps the names of sends it took in the unit that
 * took them, so a repeat stores nothing twice. Only when no answer comes before the deadline is the outcome unknown.
 */
export class RemoteDispatcher implements Dispatcher {
  readonly machine: string;
  readonly subscriptions: RemoteSubscriptions;
  readonly #io: Io;
  readonly #gate: SendGate;
  readonly #link: OwnerLink;
  readonly #timeoutMs: number;
  readonly #sender: string;
  #nextSend = 1;
  /** Names of sends whose answers arrived; the queue manager may forget them. */
  #settled: string[] = [];
  #pendingCount = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(link: OwnerLink, sender: string, options: RemoteOptions) {
    this.machine = link.machine;
    this.subscriptions = new RemoteSubscriptions(link, options.io);
    this.#gate = makeSendGate(options.io);
    this.#link = link;
    this.#sender = sender;
    this.#io = options.io;
    this.#timeoutMs = options.timeoutMs ?? SEND_TIMEOUT_MS;
  }

  admission(): Promise<void> | undefined {
    return this.#gate.wait() ?? this.subscriptions.freshness();
  }

  /**
   * @throws {PosthornError} OUTCOME_UNKNOWN when no answer came in time; CONTROL_CONNECTION_LOST, OWNER_UNREACHABLE,
   * QUEUE_MANAGER_NOT_RUNNING: nothing was sent
   */
  async dispatch(messages: readonly OutgoingMessage[], work?: UnitOfWork): Promise<void> {
    invariant(work === undefined, 'a send through another process has no unit of work in this one');
    if (messages.length === 0) return;
    const bytes = messages.reduce((sum, message) => sum + message.body.byteLength, 0);
    this.#pendingCount++;
    this.#gate.enter(bytes);
    try {
      await this.#send(messages.map(wireMessage), `${this.#sender}-${this.#nextSend++}`);
    } finally {
      this.#pendingCount--;
      this.#gate.leave(1, bytes);
      if (this.#pendingCount === 0) this.#idle?.resolve();
    }
  }

  /** Waits for what is on its way, which the deadline bounds, and closes the connection. Twice is harmless. */
  async close(): Promise<void> {
    if (this.#pendingCount > 0) {
      this.#idle ??= Promise.withResolvers<void>();
      await this.#idle.promise;
    }
    await this.#link.close(this.#settled.splice(0));
  }

  async #send(messages: readonly SentMessage[], sendId: string): Promise<void> {
    const deadlineMs = this.#io.clock.monotonicNowMs() + this.#timeoutMs;
    const timeout = Promise.withResolvers<never>();
    const timer = this.#io.timers.after(this.#timeoutMs, () => timeout.reject(sendOutcomeUnknown(this.#timeoutMs)), {
      keepsProcessAlive: true,
    });
    // Raced with every wait below; when none is going on, nobody needs to hear it.
    timeout.promise.catch(() => undefined);
    let wasAsked = false;
    try {
      for (;;) {
        const settled = this.#settled.splice(0, SETTLED_PER_SEND_MAX);
        try {
          const client = await Promise.race([this.#link.client(deadlineMs), timeout.promise]);
          const request: SendRequest = { messages, sendId, settled, isRepeat: wasAsked };
          wasAsked = true;
          await Promise.race([client.ask('send', request), timeout.promise]);
          this.#settled.push(sendId);
          return;
        } catch (error) {
          this.#settled.push(...settled);
          if (!isPassing(error)) throw wasAsked ? this.#perhapsSent(error) : notSent(error, this.#link.socketPath);
          if (this.#io.clock.monotonicNowMs() >= deadlineMs)
            throw wasAsked ? sendOutcomeUnknown(this.#timeoutMs) : error;
        }
      }
    } finally {
      timer.cancel();
    }
  }

  /** What the queue manager refused is not stored. When it could not be asked again, its first answer is lost. */
  #perhapsSent(error: unknown): unknown {
    const isUnasked = error instanceof OwnerUnreachable || error instanceof QueueManagerNotRunning;
    return isUnasked ? sendOutcomeUnknown(this.#timeoutMs) : error;
  }
}

export interface RemoteOptions {
  readonly directory: string;
  readonly io: Io;
  /** How long a send may wait for its answer, over restarts of the owner. Default 30 s. */
  readonly timeoutMs?: number;
}

/**
 * Attaches to the queue manager that another process runs on the directory.
 *
 * @returns undefined when no process does
 * @throws {OwnerUnreachable} one does, and does not answer
 * @throws {PosthornError} CONTROL_CONNECTION_LOST, QUEUE_MANAGER_NOT_RUNNING, QUEUE_MANAGER_CLOSED: one did, and ended meanwhile
 */
export async function connectRemoteDispatcher(options: RemoteOptions): Promise<RemoteDispatcher | undefined> {
  if (runningOwner(options.directory, options.io) === undefined) return undefined;
  const sender = options.io.random.uuid();
  const link = new OwnerLink({ directory: options.directory, io: options.io, sender });
  await link.client(options.io.clock.monotonicNowMs() + CONNECT_TIMEOUT_MS);
  const dispatcher = new RemoteDispatcher(link, sender, options);
  try {
    await dispatcher.subscriptions.read();
    return dispatcher;
  } catch (error) {
    await dispatcher.close();
    throw error;
  }
}

const SEND_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const SETTLED_PER_SEND_MAX = 64;

/** Nothing was stored, and the next owner may take it: the connection ended, or the queue manager is closing. */
function isPassing(error: unknown): boolean {
  if (error instanceof ControlConnectionLost) return true;
  return error instanceof PosthornError && (error.code === 'QUEUE_MANAGER_CLOSED' || error.code === 'STORE_CLOSED');
}

/** A deadline that passed before anything was asked proves that nothing was sent. */
function notSent(error: unknown, socketPath: string): unknown {
  const isDeadline = error instanceof PosthornError && error.code === 'OUTCOME_UNKNOWN';
  return isDeadline
    ? new ControlConnectionLost(socketPath, 'no queue manager took the connection; nothing was sent')
    : error;
}

function wireMessage(message: OutgoingMessage): SentMessage {
  const { destination, headers, body, priority, delayMs, deadLetter, acknowledge } = message;
  const { timeToBeReceivedMs, timeToReachQueueMs } = message;
  return {
    destination: formatAddress(destination),
    headers: { ...headers },
    body,
    priority,
    delayMs,
    timeToBeReceivedMs,
    timeToReachQueueMs,
    deadLetter,
    acknowledge: acknowledge && { ...acknowledge, queue: formatAddress(acknowledge.queue) },
  };
}
