import type { Io } from '../io/io.ts';
import { nodeIo } from '../io/node-io.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { SubscriptionStore } from '../routing/subscription-store.ts';
import type { Resource } from '../transactions/resource.ts';
import type { Dispatcher, Transport } from '../transport/transport.ts';
import { QueueManagerSubscriptions } from '../transports/queue-manager/queue-manager-subscriptions.ts';
import { queueManagerTransport } from '../transports/queue-manager/queue-manager-transport.ts';
import { connectRemoteDispatcher } from '../transports/remote/remote-dispatcher.ts';
import type { EndpointOptions } from './endpoint-options.ts';
import { acquireQueueManager, isSharedHere } from './shared-queue-managers.ts';

/** What an endpoint stands on: its way to queueing, and the end of it. */
export interface Attachment {
  readonly dispatcher: Dispatcher;
  /** Undefined over a control socket: sending only. */
  readonly transport: Transport | undefined;
  readonly subscriptions: SubscriptionStore;
  /** Lets go of what was opened for this endpoint. */
  release(): Promise<void>;
}

/**
 * A send-only endpoint goes through the process that owns the directory, when there is one, and else owns it itself.
 *
 * @throws {PosthornError} STORE_OWNED: another process owns the directory, and the endpoint wants to receive
 */
export async function attach(options: EndpointOptions<Resource>): Promise<Attachment> {
  if (options.queueManager !== undefined) return attachTo(options.queueManager, async () => undefined);
  const directory = options.directory ?? process.env.POSTHORN_DIRECTORY ?? '.posthorn';
  return options.sendOnly === true ? attachToSend(directory, options.io ?? nodeIo()) : attachHere(directory);
}

/** Who owns the directory may change between the look and the step that follows from it: then it is looked again. */
async function attachToSend(directory: string, io: Io): Promise<Attachment> {
  const giveUpAtMs = io.clock.monotonicNowMs() + ATTACH_MS_MAX;
  for (;;) {
    try {
      return (await attachRemotely(directory, io)) ?? (await attachHere(directory));
    } catch (error) {
      if (!isPassing(error) || io.clock.monotonicNowMs() > giveUpAtMs) throw error;
    }
    await new Promise<void>((resolve) => io.timers.after(RETRY_MS, resolve, { keepsProcessAlive: true }));
  }
}

/** Undefined when no process owns the directory, or this one does and shares it. */
async function attachRemotely(directory: string, io: Io): Promise<Attachment | undefined> {
  if (isSharedHere(directory)) return undefined;
  const remote = await connectRemoteDispatcher({ directory, io });
  if (remote === undefined) return undefined;
  const { subscriptions } = remote;
  return { dispatcher: remote, transport: undefined, subscriptions, release: () => remote.close() };
}

async function attachHere(directory: string): Promise<Attachment> {
  const shared = await acquireQueueManager(directory);
  return attachTo(shared.manager, () => shared.release());
}

async function attachTo(manager: QueueManager, release: () => Promise<void>): Promise<Attachment> {
  const transport = queueManagerTransport(manager);
  return { dispatcher: transport, transport, subscriptions: await QueueManagerSubscriptions.of(manager), release };
}

const ATTACH_MS_MAX = 10_000;
const RETRY_MS = 20;

/** Somebody else became the owner first, or the owner ended meanwhile. */
const PASSING: ReadonlySet<string> = new Set([
  'STORE_OWNED',
  'QUEUE_MANAGER_NOT_RUNNING',
  'QUEUE_MANAGER_CLOSED',
  'STORE_CLOSED',
  'CONTROL_CONNECTION_LOST',
]);

function isPassing(error: unknown): boolean {
  return error instanceof PosthornError && PASSING.has(error.code);
}
