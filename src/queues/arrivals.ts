import { Header } from '../message/headers.ts';
import {
  FAILURE_HEADER_BYTES_RESERVED,
  MESSAGE_HEADER_BYTES_MAX,
  PRIORITY_DEFAULT,
  PRIORITY_MAX,
} from '../message/limits.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import type { StoreCondition } from '../store/store.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Acknowledge } from './acknowledgements.ts';
import { DEAD_LETTER_QUEUE } from './dead-letters.ts';
import { isOutgoingName, type MachineNames } from './machine-names.ts';
import { PendingPut, type PutOwner } from './pending-put.ts';
import type { Queue } from './queue.ts';
import type { QueueSet } from './queue-set.ts';
import { usedBytes, usedMessages } from './queue-use.ts';
import type { ArrivedMessage, DeliverAnswer } from './transfer-door.ts';

/**
 * Puts messages of other machines into queues of this one. Never makes a queue; the dead-letter queue takes nothing from
 * outside unless its `acceptFrom` says so, every other queue what its `acceptFrom` allows.
 */
export class Arrivals {
  readonly #queues: QueueSet;
  readonly #owner: ArrivalsOwner;

  constructor(queues: QueueSet, owner: ArrivalsOwner) {
    this.#queues = queues;
    this.#owner = owner;
  }

  deliver(message: ArrivedMessage, work: UnitOfWork): DeliverAnswer {
    const queue = isOutgoingName(message.queue) ? undefined : this.#queues.get(message.queue);
    if (queue === undefined) return this.#noQueue(message.queue);
    const headers = message.isPossibleDuplicate ? markedHeaders(message.headers) : message.headers;
    const obstacle =
      this.#notAllowed(queue, message.fromMachine) ??
      this.#unfit(queue, message, headers) ??
      this.#noRoom(queue, message);
    if (obstacle !== undefined) return obstacle;
    const { body, timeToBeReceivedMs } = message;
    const stored = headers ?? message.headers;
    const deadlineMs =
      timeToBeReceivedMs === undefined ? undefined : this.#owner.nowMs() + Math.max(0, Math.ceil(timeToBeReceivedMs));
    const put = { headers: stored, body, priority: checkedPriority(message.priority), isDelayed: false, deadlineMs };
    work.enlist(new PendingPut(queue, put, this.#owner));
    this.#owner.acknowledge(stored, 'ACK_REACH_QUEUE', queue.name, work);
    return { kind: 'enlisted' };
  }

  #noQueue(name: string): DeliverAnswer {
    const { openForMs, missingQueueGraceMs, names } = this.#owner;
    const where = `There is no queue '${name}' on machine '${names.machine}'`;
    if (isOutgoingName(name)) return refused('NACK_BAD_DST_Q', `${where}.`);
    // While the disk is full no endpoint can make its queue: that it is missing says nothing yet.
    const diskFull = this.#diskFull();
    if (diskFull !== undefined) return diskFull;
    if (openForMs() >= missingQueueGraceMs) return refused('NACK_BAD_DST_Q', `${where}.`);
    return { kind: 'later', code: 'QUEUE_NOT_YET_THERE', text: `${where} yet; it has only just started.` };
  }

  #notAllowed(queue: Queue, fromMachine: string): DeliverAnswer | undefined {
    const { acceptFrom } = queue.settings;
    const isAllowed =
      acceptFrom === undefined
        ? queue.name !== DEAD_LETTER_QUEUE
        : acceptFrom.some((name) => name.toLowerCase() === fromMachine.toLowerCase());
    if (isAllowed) return undefined;
    const here = `Queue '${queue.name}' on machine '${this.#owner.names.machine}'`;
    return refused('NACK_ACCESS_DENIED', `${here} takes no messages from machine '${fromMachine}'.`);
  }

  /** For good, whatever else lies in the queue. */
  #unfit(queue: Queue, message: ArrivedMessage, headers: Uint8Array | undefined): DeliverAnswer | undefined {
    const bodyBytes = message.body.byteLength;
    const headerBytes = (headers ?? message.headers).byteLength;
    const { bodyBytesMax, names } = this.#owner;
    if (bodyBytes > bodyBytesMax) {
      const text = `Its body has ${bodyBytes} bytes; machine '${names.machine}' takes at most ${bodyBytesMax}.`;
      return refused('NACK_TOO_LARGE', text);
    }
    if (headerBytes > HEADER_BYTES_MAX) {
      return refused('NACK_BAD_HEADERS', `Its headers have ${headerBytes} bytes; at most ${HEADER_BYTES_MAX} travel.`);
    }
    if (headers === undefined || !looksLikeHeaders(headers)) {
      return refused('NACK_BAD_HEADERS', 'Its headers cannot be read: they are not a JSON object of texts.');
    }
    const { quotaBytes } = queue.settings;
    if (quotaBytes !== undefined && bodyBytes + headerBytes > quotaBytes) {
      const text = `It has ${bodyBytes + headerBytes} bytes; queue '${queue.name}' holds at most ${quotaBytes} in all.`;
      return refused('NACK_TOO_LARGE', text);
    }
    return undefined;
  }

  #diskFull(): DeliverAnswer | undefined {
    const { names, storeCondition } = this.#owner;
    if (storeCondition().state !== 'full') return undefined;
    return { kind: 'later', code: 'STORE_FULL', text: `The disk of machine '${names.machine}' is full.` };
  }

  #noRoom(queue: Queue, message: ArrivedMessage): DeliverAnswer | undefined {
    const diskFull = this.#diskFull();
    if (diskFull !== undefined) return diskFull;
    const { quotaMessages, quotaBytes } = queue.settings;
    const count = usedMessages(queue);
    if (quotaMessages !== undefined && count + 1 > quotaMessages)
      return full(queue, `${count} messages`, quotaMessages);
    if (quotaBytes === undefined) return undefined;
    const bytes = usedBytes(queue);
    const isTooMuch = bytes + message.headers.byteLength + message.body.byteLength > quotaBytes;
    return isTooMuch ? full(queue, `${bytes} bytes`, quotaBytes) : undefined;
  }
}

export interface ArrivalsOwner extends PutOwner {
  readonly names: MachineNames;
  readonly bodyBytesMax: number;
  readonly acknowledge: Acknowledge;
  /** How long after the open a missing queue may still be made. */
  readonly missingQueueGraceMs: number;
  nowMs(): number;
  openForMs(): number;
  storeCondition(): StoreCondition;
}

const HEADER_BYTES_MAX = MESSAGE_HEADER_BYTES_MAX + FAILURE_HEADER_BYTES_RESERVED;

type Refusal = Extract<DeliverAnswer, { kind: 'refused' }>;

function refused(code: Refusal['code'], text: string): Refusal {
  return { kind: 'refused', code, text };
}

function full(queue: Queue, used: string, quota: number): DeliverAnswer {
  return { kind: 'later', code: 'QUEUE_FULL', text: `Queue '${queue.name}' is full (${used} of ${quota}).` };
}

/** The headers with the mark; undefined when they cannot be read. */
function markedHeaders(bytes: Uint8Array): Uint8Array | undefined {
  const headers = parseHeaders(bytes);
  if (headers === undefined) return undefined;
  return Buffer.from(JSON.stringify({ ...headers, [Header.possibleDuplicate]: 'true' }));
}

/** Not parsed: whoever receives the message does that, and has an error queue for what it cannot read. */
function looksLikeHeaders(bytes: Uint8Array): boolean {
  return bytes[0] === OPENING_BRACE && bytes[bytes.byteLength - 1] === CLOSING_BRACE;
}

const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

function checkedPriority(priority: number): number {
  return Number.isInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX ? priority : PRIORITY_DEFAULT;
}
