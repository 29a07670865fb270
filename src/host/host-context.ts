import type { Logger } from '../io/logger.ts';
import type { QueueManager } from '../queues/queue-manager.ts';

/** What a module that exports a function gets from the host, to build its endpoint with. */
export interface HostContext {
  /** The host's data directory. */
  readonly directory: string;
  /** Shared by all endpoints of the host. Undefined under `posthorn describe`, which opens nothing. */
  readonly queueManager: QueueManager | undefined;
  readonly role: 'server' | 'client';
  readonly logger: Logger;
}
