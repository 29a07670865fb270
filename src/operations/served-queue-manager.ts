import type { QueueManager as OpenedQueueManager } from '../queues/queue-manager.ts';
import type { QueueManagerOptions } from '../queues/queue-manager-options.ts';
import { openQueueManager } from './open-queue-manager.ts';

/** A queue manager that operators and other processes of this machine can reach while it is open. */
export type QueueManager = OpenedQueueManager;

/** What users know as `QueueManager`: opening one brings its control socket along. */
export const QueueManager: { readonly open: (options: QueueManagerOptions) => Promise<QueueManager> } = {
  /**
   * Opens the directory, making it when it does not exist, and becomes its owner.
   *
   * @throws {PosthornError} STORE_OWNED with the owner's pid, and what else the store answers
   */
  open: openQueueManager,
};
