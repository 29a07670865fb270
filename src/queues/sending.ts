import { MessageTooLarge } from '../message/errors.ts';
import { Header, headersOf } from '../message/headers.ts';
import { FAILURE_HEADER_BYTES_RESERVED, MESSAGE_HEADER_BYTES_MAX, PRIORITY_DEFAULT } from '../message/limits.ts';
import { formatTimeSpan } from '../message/time-span.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { OutgoingMessage } from '../transport/transport.ts';
import { NoRouteToMachine, QueueFull } from './errors.ts';
import { PendingPut, type PutMessage, type PutOwner } from './pending-put.ts';
import type { Queue } from './queue.ts';
import type { QueueSet } from './queue-set.ts';

/** Puts messages into local queues: checks sizes, addresses and quotas at once, everything else at the commit. */
export class Sending {
  readonly #queues: QueueSet;
  readonly #owner: SendingOwner;

  constructor(queues: QueueSet, owner: SendingOwner) {
    this.#queues = queues;
    this.#owner = owner;
  }

  /** Enlists all messages in `work`, or none and throws. A promise only when a queue has to be made first. */
  send(messages: readonly OutgoingMessage[], work: UnitOfWork): Promise<void> | undefined {
    for (const message of messages) {
      if (this.#readyQueue(message) === undefined)
        return this.#makeQueues(messages).then(() => this.send(messages, work));
    }
    const puts = messages.map((message) => this.#encode(message));
    this.#checkQuotas(messages, puts);
    for (const [index, put] of puts.entries()) {
      const queue = this.#readyQueue(messages[index] as OutgoingMessage) as Queue;
      work.enlist(new PendingPut(queue, put, this.#owner));
    }
    return undefined;
  }

  /** The local queue if it, and its delayed place where one is needed, exist. */
  #readyQueue(message: OutgoingMessage): Queue | undefined {
    const { queue: name, machine } = message.destination;
    if (machine !== undefined && machine !== this.#owner.machine) {
      throw new NoRouteToMachine(`${name}@${machine}`, this.#owner.machine);
    }
    const queue = this.#queues.get(name);
    return isDelayed(message) && queue?.delayed === undefined ? undefined : queue;
  }

  async #makeQueues(messages: readonly OutgoingMessage[]): Promise<void> {
    for (const message of messages) {
      const queue = await this.#queues.ensure(message.destination.queue);
      if (isDelayed(message)) await this.#queues.ensureDelayed(queue);
    }
  }

  #encode(message: OutgoingMessage): PutMessage {
    const headers = message.headerBytes ?? Buffer.from(JSON.stringify(headersToStore(message)));
    checkSizes(message, headers.byteLength, this.#owner.bodyBytesMax);
    const delayed = isDelayed(message);
    const ownMs = delayed ? message.delayMs : message.timeToBeReceivedMs;
    return {
      headers,
      body: message.body,
      priority: message.priority ?? PRIORITY_DEFAULT,
      isDelayed: delayed,
      deadlineMs: ownMs === undefined ? undefined : this.#owner.nowMs() + Math.ceil(ownMs),
    };
  }

  #checkQuotas(messages: readonly OutgoingMessage[], puts: readonly PutMessage[]): void {
    for (const [index, put] of puts.entries()) {
      const queue = this.#readyQueue(messages[index] as OutgoingMessage) as Queue;
      const { quotaMessages, quotaBytes } = queue.settings;
      if (
        (quotaMessages === undefined && quotaBytes === undefined) ||
        isDelayedRetry(messages[index] as OutgoingMessage)
      ) {
        continue;
      }
      const others = puts.slice(0, index).filter((_, other) => messages[other]?.destination.queue === queue.name);
      const count = usedMessages(queue) + others.length;
      if (quotaMessages !== undefined && count + 1 > quotaMessages)
        throw new QueueFull(queue.name, count, quotaMessages, 'messages');
      const bytes = usedBytes(queue) + others.reduce((sum, other) => sum + bytesOf(other), 0);
      if (quotaBytes !== undefined && bytes + bytesOf(put) > quotaBytes)
        throw new QueueFull(queue.name, bytes, quotaBytes, 'bytes');
    }
  }
}

export interface SendingOwner extends PutOwner {
  readonly machine: string;
  readonly bodyBytesMax: number;
  nowMs(): number;
}

function isDelayed(message: OutgoingMessage): boolean {
  return message.delayMs !== undefined && message.delayMs > 0;
}

/** What the queue manager must know later travels in headers: the time to be received of a delayed message, and no dead-lettering. */
function headersToStore(message: OutgoingMessage): OutgoingMessage['headers'] {
  if (message.timeToBeReceivedMs === undefined) return message.headers;
  const headers = headersOf(message.headers);
  headers[Header.timeToBeReceived] = formatTimeSpan(message.timeToBeReceivedMs);
  if (message.deadLetter === false) headers[Header.deadLetter] = 'off';
  return headers;
}

function checkSizes(message: OutgoingMessage, headerBytes: number, bodyBytesMax: number): void {
  const isAgain = isStoredAgain(message);
  // What was stored once is stored again whatever the limit is by now: refusing it could only lose it, or loop.
  if (message.body.byteLength > bodyBytesMax && !isAgain) {
    throw new MessageTooLarge('body', message.body.byteLength, bodyBytesMax);
  }
  const headerBytesMax = MESSAGE_HEADER_BYTES_MAX + (isAgain ? FAILURE_HEADER_BYTES_RESERVED : 0);
  if (headerBytes > headerBytesMax) throw new MessageTooLarge('headers', headerBytes, headerBytesMax);
}

/** Not new: moved by an operator, failed, expired, or put back for a delayed retry. Senders cannot set these headers. */
function isStoredAgain(message: OutgoingMessage): boolean {
  return (
    message.headerBytes !== undefined ||
    message.headers[Header.failedQueue] !== undefined ||
    message.headers[Header.deadLetterReason] !== undefined ||
    isDelayedRetry(message)
  );
}

/** Put back into the queue that it leaves in the same unit, so it takes no more of the quota than it had. */
function isDelayedRetry(message: OutgoingMessage): boolean {
  return message.headers[Header.delayedRetries] !== undefined;
}

function bytesOf(put: PutMessage): number {
  return put.headers.byteLength + put.body.byteLength;
}

function usedMessages(queue: Queue): number {
  const delayed = queue.delayed;
  return (
    queue.waiting.messages +
    queue.waiting.pendingMessages +
    (delayed === undefined ? 0 : delayed.messages + delayed.pendingMessages)
  );
}

function usedBytes(queue: Queue): number {
  const delayed = queue.delayed;
  return (
    queue.waiting.bytes +
    queue.waiting.pendingBytes +
    (delayed === undefined ? 0 : delayed.bytes + delayed.pendingBytes)
  );
}
