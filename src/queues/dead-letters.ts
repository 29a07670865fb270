import { Header, headersOf } from '../message/headers.ts';
import { PRIORITY_DEFAULT } from '../message/limits.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Acknowledge } from './acknowledgements.ts';
import type { MachineNames } from './machine-names.ts';
import { PendingPut, type PutOwner } from './pending-put.ts';
import type { Queue } from './queue.ts';
import type { QueueSet } from './queue-set.ts';

export const DEAD_LETTER_QUEUE = 'dead-letter';

/**
 * Puts what cannot be delivered into this machine's dead-letter queue, with its reason, and tells who asked to hear of it.
 * Quotas of that queue do not count here: a message that can be put nowhere would stand in the way for ever.
 */
export class DeadLetters {
  readonly #queues: QueueSet;
  readonly #owner: DeadLetterOwner;

  constructor(queues: QueueSet, owner: DeadLetterOwner) {
    this.#queues = queues;
    this.#owner = owner;
  }

  /** The copy is there when `work` commits; the message itself must leave its queue by the same unit. */
  enlist(letter: DeadLetter, work: UnitOfWork): void {
    const { queue, headers, body, reason, text } = letter;
    const copy = headersOf(
      parseHeaders(headers) ?? { [Header.undecodableHeaders]: Buffer.from(headers).toString('base64') },
    );
    copy[Header.deadLetterReason] = reason;
    copy[Header.deadLetterText] = text.slice(0, TEXT_LENGTH_MAX);
    copy[Header.deadLetterQueue] = this.#owner.names.addressOf(queue.name);
    // The copy must not expire, and nobody hears of it twice.
    for (const name of NOT_COPIED) delete copy[name];
    const put = {
      headers: Buffer.from(JSON.stringify(copy)),
      body,
      priority: PRIORITY_DEFAULT,
      isDelayed: false,
      deadlineMs: undefined,
    };
    work.enlist(new PendingPut(this.#queues.ensureNow(DEAD_LETTER_QUEUE), put, this.#owner));
    this.#owner.acknowledge(headers, reason, queue.name, work);
  }
}

const TEXT_LENGTH_MAX = 1024;

const NOT_COPIED = [
  Header.timeToBeReceived,
  Header.timeToReachQueue,
  Header.administrationQueue,
  Header.acknowledge,
] as const;

export interface DeadLetter {
  /** That it lies in. */
  readonly queue: Queue;
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  /** MSMQ's class. */
  readonly reason: string;
  /** A sentence with names and values. */
  readonly text: string;
}

export interface DeadLetterOwner extends PutOwner {
  readonly names: MachineNames;
  readonly acknowledge: Acknowledge;
}
