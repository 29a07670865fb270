import { exists, narrowDirectory, realPath } from '../io/files.ts';
import { openQueueManager, type ServedQueueManagerOptions } from '../operations/open-queue-manager.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import { reachDirectory } from '../store/reach-directory.ts';

/** Embedded queue managers of this process by real path (DESIGN decision 12). An entry lives until its manager has closed. */
const open = new Map<string, Shared>();

interface Shared {
  readonly manager: Promise<QueueManager>;
  users: number;
  /** Set when the last user left: whoever comes now waits for it, then opens anew. */
  closing: Promise<void> | undefined;
}

/**
 * The embedded queue manager of a directory: opened for its first user in this process, closed after its last. The options
 * are those of the first.
 *
 * @throws {StoreUnreachable} the directory cannot be made, read or written {StoreOwned} another process owns it
 */
export async function acquireQueueManager(
  directory: string,
  options: EmbeddedOptions = {},
): Promise<SharedQueueManager> {
  reachDirectory(directory);
  narrowDirectory(directory);
  const path = realPath(directory);
  for (let closing = open.get(path)?.closing; closing !== undefined; closing = open.get(path)?.closing) await closing;
  const shared = open.get(path) ?? {
    manager: openQueueManager({ ...options, directory: path }),
    users: 0,
    closing: undefined,
  };
  open.set(path, shared);
  shared.users++;
  try {
    const manager = await shared.manager;
    let released: Promise<void> | undefined;
    return {
      manager,
      release: () => {
        released ??= leave(path, shared, manager);
        return released;
      },
    };
  } catch (error) {
    if (open.get(path) === shared) open.delete(path);
    throw error;
  }
}

/** What an embedded queue manager may be told: its name, its ways to other machines and back, where it logs. */
export type EmbeddedOptions = Pick<ServedQueueManagerOptions, 'machine' | 'listen' | 'allowPlaintext' | 'logger'>;

/** True when this process shares a queue manager of the directory already. */
export function isSharedHere(directory: string): boolean {
  return exists(directory) && open.has(realPath(directory));
}

export interface SharedQueueManager {
  readonly manager: QueueManager;
  /** Closes the queue manager when this was its last user. May be called twice. */
  release(): Promise<void>;
}

async function leave(path: string, shared: Shared, manager: QueueManager): Promise<void> {
  shared.users--;
  if (shared.users > 0) return;
  shared.closing = manager.close().finally(() => open.delete(path));
  await shared.closing;
}
