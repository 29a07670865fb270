import { nodeIo } from '../io/node-io.ts';
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
 * A send-only endpoint goes through the process that owns the directory, when there is one.
 *
 * @throws {PosthornError} STORE_OWNED: another process owns the directory, and the endpoint wants to receive
 */
export async function attach(options: EndpointOptions<Resource>): Promise<Attachment> {
  if (options.queueManager !== undefined) return attachTo(options.queueManager, async () => undefined);
  const directory = options.directory ?? process.env.POSTHORN_DIRECTORY ?? '.posthorn';
  const remote = options.sendOnly === true ? await attachRemotely(directory, options) : undefined;
  if (remote !== undefined) return remote;
  const shared = await acquireQueueManager(directory);
  return attachTo(shared.manager, () => shared.release());
}

/** Undefined when no process owns the directory, or this one does and shares it. */
async function attachRemotely(directory: string, options: EndpointOptions<Resource>): Promise<Attachment | undefined> {
  if (isSharedHere(directory)) return undefined;
  const remote = await connectRemoteDispatcher({ directory, io: options.io ?? nodeIo() });
  if (remote === undefined) return undefined;
  const { subscriptions } = remote;
  return { dispatcher: remote, transport: undefined, subscriptions, release: () => remote.close() };
}

async function attachTo(manager: QueueManager, release: () => Promise<void>): Promise<Attachment> {
  const transport = queueManagerTransport(manager);
  return { dispatcher: transport, transport, subscriptions: await QueueManagerSubscriptions.of(manager), release };
}
