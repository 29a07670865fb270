import { Header } from '../message/headers.ts';
import { parseTimestamp } from '../message/timestamp.ts';
import { isOutgoingName } from '../queues/machine-names.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import { lastPositionOfPriority } from './page-end.ts';

/**
 * When the oldest waiting message was sent, in Unix milliseconds; undefined when none says.
 *
 * Within a priority the first is the oldest, so one message per priority in use is looked at, eight at most. In an outgoing
 * queue priorities do not count: its first is the oldest.
 */
export async function oldestSentMs(manager: QueueManager, queue: string): Promise<number | undefined> {
  let oldestMs: number | undefined;
  let afterPosition: number | undefined;
  for (;;) {
    const page = await manager.browse({ queue, countMax: 1, ...(afterPosition !== undefined && { afterPosition }) });
    const message = page.messages[0];
    if (message === undefined) return oldestMs;
    const sentMs = parseTimestamp(message.headers?.[Header.timeSent] ?? '');
    if (sentMs !== undefined && (oldestMs === undefined || sentMs < oldestMs)) oldestMs = sentMs;
    if (page.isLast || message.priority === 0 || isOutgoingName(queue)) return oldestMs;
    afterPosition = lastPositionOfPriority(message.priority);
  }
}
