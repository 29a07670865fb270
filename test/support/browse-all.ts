import type { BrowsedMessage } from '../../src/queues/browsing.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { QueuePlaceKind } from '../../src/store/store.ts';

/** Every message of a queue, with its body, in order. A page may end early, by time, on a machine that has its hands full. */
export async function browseAll(
  manager: QueueManager,
  queue: string,
  kind: QueuePlaceKind = 'queue',
): Promise<readonly BrowsedMessage[]> {
  const messages: BrowsedMessage[] = [];
  let afterPosition: number | undefined;
  for (;;) {
    const after = afterPosition === undefined ? {} : { afterPosition };
    const page = await manager.browse({ queue, kind, countMax: 1000, withBodies: true, ...after });
    messages.push(...page.messages);
    if (page.isLast) return messages;
    afterPosition = page.lastPosition;
  }
}
