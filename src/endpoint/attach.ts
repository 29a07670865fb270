import type { QueueManager } from '../queues/queue-manager.ts';
import type { SubscriptionStore } from '../routing/subscription-store.ts';
import type { Dispatcher, Transport } from '../transport/transport.ts';
import { QueueManagerSubscriptions } from '../transports/queue-manager/queue-manager-subscriptions.ts';
import { queueManagerTransport } from '../transports/queue-manager/queue-manager-transport.ts';
import type { EndpointOptions } from './endpoint-options.ts';
import { acquireQueueManager } from './shared-queue-managers.ts';

/** What an endpoint stands on: its way to queueing, and the end of it. */
export interface Attachment {
  readonly dispatcher: Dispatcher;
  /** Undefined over a control socket: sending only. */
  readonly transport: Transport | undefined;
  readonly subscriptions: SubscriptionStore;
  /** Lets go of what was opened for this endpoint. */
  release(): Promise<void>;
}

/** @throws {PosthornError} STORE_OWNED: another process owns the directory, and the endpoint wants to receive */
export async function attach(options: EndpointOptions): Promise<Attachment> {
  if (options.queueManager !== undefined) return attachTo(options.queueManager, async () => undefined);
  const directory = options.directory ?? process.env.POSTHORN_DIRECTORY ?? '.posthorn';
  const shared = await acquireQueueManager(directory);
  return attachTo(shared.manager, () => shared.release());
}

async function attachTo(manager: QueueManager, release: () => Promise<void>): Promise<Attachment> {
  const transport = queueManagerTransport(manager);
  return { dispatcher: transport, transport, subscriptions: await QueueManagerSubscriptions.of(manager), release };
}
