import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { QueuePlaceKind } from '../../src/store/store.ts';
import type { Contents } from './verdict.ts';
import type { Cargo } from './workload.ts';

/** The ids of all messages of the crash test, by queue; delayed ones stand under `QUEUE (delayed)`. */
export async function readContents(manager: QueueManager): Promise<Contents> {
  const contents = new Map<string, string[]>();
  for (const { queue } of manager.status()) {
    for (const kind of ['queue', 'delayed'] as const) {
      const ids = await readIds(manager, queue, kind);
      if (ids.length > 0) contents.set(kind === 'queue' ? queue : `${queue} (delayed)`, ids);
    }
  }
  return contents;
}

async function readIds(manager: QueueManager, queue: string, kind: QueuePlaceKind): Promise<string[]> {
  const ids: string[] = [];
  let afterPosition: number | undefined;
  for (let isLast = false; !isLast; ) {
    const after = afterPosition === undefined ? {} : { afterPosition };
    const page = await manager.browse({ queue, kind, countMax: 1000, withBodies: true, ...after });
    for (const { body } of page.messages) {
      ids.push((JSON.parse(Buffer.from(body ?? []).toString()) as Cargo).id);
    }
    afterPosition = page.lastPosition ?? afterPosition;
    isLast = page.isLast;
  }
  return ids;
}
