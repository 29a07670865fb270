import type { QueueManager as OpenedQueueManager } from '../queues/queue-manager.ts';
import { openQueueManager, type ServedQueueManagerOptions } from './open-queue-manager.ts';

/** A queue manager that operators and other processes of this machine can reach while it is open. */
export type QueueManager = OpenedQueueManager;

/** What users know as `QueueManager`: opening one brings its control socket and its traffic with other machines along. */
export const QueueManager: { readonly open: (options: ServedQueueManagerOptions) => Promise<QueueManager> } = {
  /**
   * Opens the directory, making it when it does not exist, and becomes its owner.
   *
   * @throws {PosthornError} STORE_OWNED with the owner's pid, INVALID_OPTION, NETWORK_FILE_INVALID, and what else the store answers
   */
  open: openQueueManager,
};
