import { Header, headersOf } from '../../src/message/headers.ts';
import { formatTimestamp } from '../../src/message/timestamp.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';

/** Fills the error queue of a directory with orders that failed in `billing`; ids are `order-N`. */
export async function failOrders(
  directory: string,
  count: number,
  options: { readonly failedQueue?: string } = {},
): Promise<void> {
  await using manager = await QueueManager.open({ directory, machine: 'shop' });
  for (const queue of ['billing', 'error']) await manager.declareQueue(queue);
  const nowMs = Date.now();
  const work = manager.begin();
  for (let order = 0; order < count; order++) {
    const isDeclined = order % 3 === 0;
    const headers = headersOf({
      [Header.messageId]: `order-${order}`,
      [Header.enclosedMessageTypes]: 'Billing.Charge',
      [Header.contentType]: 'application/json',
      [Header.timeSent]: formatTimestamp(nowMs - 7_200_000),
      [Header.timeOfFailure]: formatTimestamp(nowMs - 3_600_000),
      [Header.failedQueue]: options.failedQueue ?? 'billing@shop',
      [Header.exceptionType]: isDeclined ? 'CardDeclined' : 'TimeoutError',
      [Header.exceptionMessage]: `${isDeclined ? 'card declined' : 'the bank did not answer'} for order ${order}`,
      [Header.exceptionStackTrace]: `x\n    at ${isDeclined ? 'declineCard' : 'charge'} (/srv/shop/src/billing.ts:24:1)`,
      [Header.attempts]: '24',
      [Header.delayedRetries]: '3',
    });
    await manager.send(
      [{ destination: { queue: 'error' }, headers, body: Buffer.from(`{"orderId":"${order}"}`) }],
      work,
    );
  }
  await work.commit();
}

/** Ids of what waits in a queue, in order. */
export async function idsIn(directory: string, queue: string): Promise<string[]> {
  await using manager = await QueueManager.open({ directory });
  const ids: string[] = [];
  let afterPosition: number | undefined;
  for (let isLast = false; !isLast; ) {
    const page = await manager.browse({ queue, countMax: 1000, ...(afterPosition !== undefined && { afterPosition }) });
    ids.push(...page.messages.map(({ id }) => id));
    afterPosition = page.lastPosition;
    isLast = page.isLast || afterPosition === undefined;
  }
  return ids;
}
