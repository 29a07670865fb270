import { parseAddress } from '../src/message/address.ts';
import { Header } from '../src/message/headers.ts';
import type { QueueManager } from '../src/queues/queue-manager.ts';
import type { OutgoingMessage } from '../src/transport/transport.ts';

/** What handlers parse and send: an order whose JSON is 1 KiB. */
export const ORDER = makeOrder();
export const ORDER_JSON = Buffer.from(JSON.stringify(ORDER));

/** Puts `count` messages of 1 KiB into the queue (`queue@machine` too), as an endpoint would have sent them, in large units. */
export async function fillQueue(manager: QueueManager, queue: string, count: number): Promise<void> {
  const commits: Promise<void>[] = [];
  for (let first = 0; first < count; first += UNIT_MESSAGES) {
    await manager.admission();
    const size = Math.min(UNIT_MESSAGES, count - first);
    commits.push(manager.send(Array.from({ length: size }, (_, index) => orderMessage(queue, first + index))));
    if (commits.length >= UNITS_AT_ONCE) await commits.shift();
  }
  await Promise.all(commits);
}

/** Puts `count` of them into the queue in one unit: they are all there at once. */
export function sendTogether(manager: QueueManager, queue: string, count: number): Promise<void> {
  return manager.send(Array.from({ length: count }, (_, index) => orderMessage(queue, index)));
}

const UNIT_MESSAGES = 128;
const UNITS_AT_ONCE = 16;

function orderMessage(queue: string, number: number): OutgoingMessage {
  const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
  const headers = {
    [Header.messageId]: id,
    [Header.messageIntent]: 'Send',
    [Header.enclosedMessageTypes]: 'Bench.Order',
    [Header.contentType]: 'application/json',
    [Header.correlationId]: id,
    [Header.conversationId]: id,
    [Header.originatingEndpoint]: 'bench',
    [Header.originatingMachine]: 'bench',
    [Header.timeSent]: '2026-01-01 00:00:00:000000 Z',
    [Header.replyToAddress]: 'bench@bench',
  };
  return { destination: parseAddress(queue), headers, body: ORDER_JSON };
}

function makeOrder() {
  const lines = Array.from({ length: 6 }, (_, index) => ({
    article: `A-${1000 + index}`,
    count: index + 1,
    price: 9.99,
  }));
  const order = { orderId: '4711', customer: 'Åsa Öberg', placedAt: '2026-01-01T00:00:00Z', lines, note: '' };
  const missing = 1024 - Buffer.byteLength(JSON.stringify(order));
  return { ...order, note: 'n'.repeat(missing) };
}
