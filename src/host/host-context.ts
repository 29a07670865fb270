import type { Logger } from '../io/logger.ts';
import type { QueueManager } from '../queues/queue-manager.ts';

/**
 * What a module that exports a function gets from the host, to build its endpoint with:
 * `export default (host: HostContext) => new Endpoint('sales', { logger: host.logger });`
 *
 * Directory, role, logger and critical error action are the host's wherever the endpoint's own options do not say otherwise.
 */
export interface HostContext {
  /** The host's data directory. */
  readonly directory: string;
  /** Shared by all endpoints of the host. Undefined under `posthorn describe`, which opens nothing. */
  readonly queueManager: QueueManager | undefined;
  readonly role: 'server' | 'client';
  readonly logger: Logger;
}
