import { MessageTooLarge } from '../message/errors.ts';
import { Header, type Headers, headersOf } from '../message/headers.ts';
import { FAILURE_HEADER_BYTES_RESERVED, MESSAGE_HEADER_BYTES_MAX, PRIORITY_DEFAULT } from '../message/limits.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import { formatTimeSpan } from '../message/time-span.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { OutgoingMessage } from '../transport/transport.ts';
import { type Acknowledge, acknowledgementHeaders } from './acknowledgements.ts';
import { QueueFull } from './errors.ts';
import type { MachineNames } from './machine-names.ts';
import { PendingPut, type PutMessage, type PutOwner } from './pending-put.ts';
import type { Queue } from './queue.ts';
import type { QueueSet } from './queue-set.ts';
import { usedBytes, usedMessages } from './queue-use.ts';
import { sentPriorityOf } from './sent-priority.ts';
import { firstLimitMs } from './time-limits.ts';

/**
 * Puts messages into queues of this machine, and into outgoing queues for those of others: checks sizes and quotas at once,
 * everything else at the commit.
 */
export class Sending {
  readonly #queues: QueueSet;
  readonly #owner: SendingOwner;

  constructor(queues: QueueSet, owner: SendingOwner) {
    this.#queues = queues;
    this.#owner = owner;
  }

  /** Enlists all messages in `work`, or none and throws. A promise only when a queue has to be made first. */
  send(messages: readonly OutgoingMessage[], work: UnitOfWork): Promise<void> | undefined {
    const sends: Send[] = [];
    for (const message of messages) {
      const queue = this.#readyQueue(message);
      if (queue === undefined) return this.#makeQueues(messages).then(() => this.send(messages, work));
      sends.push({ message, queue, put: this.#encode(message, queue) });
    }
    this.#checkQuotas(sends);
    for (const { message, queue, put } of sends) {
      work.enlist(new PendingPut(queue, put, this.#owner));
      if (message.acknowledge !== undefined && !queue.isOutgoing && !put.isDelayed) {
        this.#owner.acknowledge(put.headers, 'ACK_REACH_QUEUE', queue.name, work);
      }
    }
    return undefined;
  }

  /** The queue if it, and its delayed place where one is needed, exist. */
  #readyQueue(message: OutgoingMessage): Queue | undefined {
    const queue = this.#queues.get(this.#owner.names.queueNameOf(message.destination));
    return isDelayed(message) && queue?.delayed === undefined ? undefined : queue;
  }

  async #makeQueues(messages: readonly OutgoingMessage[]): Promise<void> {
    for (const message of messages) {
      const queue = await this.#queues.ensure(this.#owner.names.queueNameOf(message.destination));
      if (isDelayed(message)) await this.#queues.ensureDelayed(queue);
    }
  }

  #encode(message: OutgoingMessage, queue: Queue): PutMessage {
    const headers = this.#headerBytesOf(message, queue);
    checkSizes(message, headers.byteLength, this.#owner.bodyBytesMax);
    const delayed = isDelayed(message);
    const ownMs = delayed ? message.delayMs : lifeMsOf(message, queue);
    return {
      headers,
      body: message.body,
      priority: message.priority ?? PRIORITY_DEFAULT,
      isDelayed: delayed,
      deadlineMs: ownMs === undefined ? undefined : this.#owner.nowMs() + Math.ceil(ownMs),
    };
  }

  #headerBytesOf(message: OutgoingMessage, queue: Queue): Uint8Array {
    if (message.headerBytes === undefined) {
      return Buffer.from(JSON.stringify(headersToStore(message, queue, this.#owner.names)));
    }
    return queue.isOutgoing ? withPriority(message.headerBytes, message.priority) : message.headerBytes;
  }

  #checkQuotas(sends: readonly Send[]): void {
    for (const [index, { message, queue, put }] of sends.entries()) {
      const { quotaMessages, quotaBytes } = queue.settings;
      if ((quotaMessages === undefined && quotaBytes === undefined) || isDelayedRetry(message)) continue;
      const others = sends.slice(0, index).filter((other) => other.queue === queue);
      const count = usedMessages(queue) + others.length;
      if (quotaMessages !== undefined && count + 1 > quotaMessages)
        throw new QueueFull(queue.name, count, quotaMessages, 'messages');
      const bytes = usedBytes(queue) + others.reduce((sum, other) => sum + bytesOf(other.put), 0);
      if (quotaBytes !== undefined && bytes + bytesOf(put) > quotaBytes)
        throw new QueueFull(queue.name, bytes, quotaBytes, 'bytes');
    }
  }
}

/** A message on its way into its queue. */
interface Send {
  readonly message: OutgoingMessage;
  readonly queue: Queue;
  readonly put: PutMessage;
}

export interface SendingOwner extends PutOwner {
  readonly names: MachineNames;
  readonly bodyBytesMax: number;
  readonly acknowledge: Acknowledge;
  nowMs(): number;
}

function isDelayed(message: OutgoingMessage): boolean {
  return message.delayMs !== undefined && message.delayMs > 0;
}

/** How long it may lie in the queue; only an outgoing queue has a limit of time to get out of it. */
function lifeMsOf(message: OutgoingMessage, queue: Queue): number | undefined {
  const { timeToReachQueueMs: toReachQueueMs, timeToBeReceivedMs: toBeReceivedMs } = message;
  return queue.isOutgoing ? firstLimitMs({ toReachQueueMs, toBeReceivedMs }) : toBeReceivedMs;
}

/**
 * What a queue manager must know later travels in headers: the times that a message has, whether it may be dropped, its
 * priority on the way to another machine, and who wants to hear of it.
 */
function headersToStore(message: OutgoingMessage, queue: Queue, names: MachineNames): Headers {
  const { timeToBeReceivedMs, timeToReachQueueMs, deadLetter, acknowledge, headers } = message;
  const mayBeStale = headers[Header.administrationQueue] !== undefined;
  if (timeToBeReceivedMs === undefined && acknowledge === undefined && !mayBeStale && !queue.isOutgoing) return headers;
  const stored = headersOf(headers);
  // It was answered when the message was received, or dead-lettered.
  if (mayBeStale && isStoredAgain(message)) {
    delete stored[Header.administrationQueue];
    delete stored[Header.acknowledge];
  }
  if (timeToBeReceivedMs !== undefined) stored[Header.timeToBeReceived] = formatTimeSpan(timeToBeReceivedMs);
  if (acknowledge !== undefined) Object.assign(stored, acknowledgementHeaders(acknowledge, names.machine));
  const hasTimeLimit = timeToBeReceivedMs !== undefined || (queue.isOutgoing && timeToReachQueueMs !== undefined);
  if (hasTimeLimit && deadLetter === false) stored[Header.deadLetter] = 'off';
  if (queue.isOutgoing) {
    setOrDelete(stored, Header.timeToReachQueue, spanText(timeToReachQueueMs));
    setOrDelete(stored, Header.priority, priorityText(message.priority));
  }
  return stored;
}

/** Stored header bytes that say this priority; as they are when they say it already, or cannot be read. */
function withPriority(headerBytes: Uint8Array, priority: number | undefined): Uint8Array {
  if (sentPriorityOf(headerBytes) === (priority ?? PRIORITY_DEFAULT)) return headerBytes;
  const headers = parseHeaders(headerBytes);
  if (headers === undefined) return headerBytes;
  const changed = headersOf(headers);
  setOrDelete(changed, Header.priority, priorityText(priority));
  return Buffer.from(JSON.stringify(changed));
}

function priorityText(priority: number | undefined): string | undefined {
  return priority === undefined || priority === PRIORITY_DEFAULT ? undefined : String(priority);
}

function spanText(durationMs: number | undefined): string | undefined {
  return durationMs === undefined ? undefined : formatTimeSpan(durationMs);
}

function setOrDelete(headers: Record<string, string>, name: string, value: string | undefined): void {
  if (value === undefined) delete headers[name];
  else headers[name] = value;
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
