import { resolve } from 'node:path';
import { nodeIo } from '../io/node-io.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import type { QueueManagerOptions } from '../queues/queue-manager-options.ts';
import { ControlServer, controlSocketPath } from './control-server.ts';

/**
 * Opens a queue manager that operators and other processes can reach: with its control socket, from after the directory
 * is owned until the queue manager closes. This is how everything outside tests opens one.
 *
 * A socket that cannot be made is reported as a failure, and the queue manager works without: messages matter more.
 *
 * @throws {PosthornError} STORE_OWNED with the owner's pid, and what else `QueueManager.open` says
 */
export async function openQueueManager(options: QueueManagerOptions): Promise<QueueManager> {
  const socketPath = options.socketPath ?? controlSocketPath(resolve(options.directory), process.env);
  const manager = await QueueManager.open({ ...options, socketPath });
  const report = options.onFailure ?? warn;
  try {
    const server = await ControlServer.start(manager, options.io ?? nodeIo(), socketPath);
    manager.beforeClose(() => server.stop());
    server.forgetOldSends().catch((error: unknown) => report(error, 'forgetting old sends of other processes'));
  } catch (error) {
    report(error, 'opening the control socket');
  }
  return manager;
}

function warn(error: unknown, doing: string): void {
  const text = error instanceof Error ? error.message : String(error);
  process.emitWarning(`While ${doing}: ${text}`, { type: 'PosthornWarning' });
}
