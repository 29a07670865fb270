import { Header } from '../message/headers.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import { formatTimeSpan } from '../message/time-span.ts';
import { type Operation, positionOf, priorityOf, type Store, type StoredMessage } from '../store/store.ts';
import { type Outcome, type Participant, UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Acknowledge, AcknowledgementClass } from './acknowledgements.ts';
import { DEAD_LETTER_QUEUE, type DeadLetter } from './dead-letters.ts';
import type { PutOwner } from './pending-put.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';
import { expiredCounterKey, type QueueSet } from './queue-set.ts';
import { TakenDelivery } from './taken-delivery.ts';
import { firstLimitMs, type TimeLimits, timeLimitsOf } from './time-limits.ts';

/** What happens when deadlines pass: delayed messages become visible, waiting ones expire. One unit for a page of them. */
export class Expiry {
  readonly #store: Store;
  readonly #queues: QueueSet;
  readonly #owner: ExpiryOwner;

  constructor(store: Store, queues: QueueSet, owner: ExpiryOwner) {
    this.#store = store;
    this.#queues = queues;
    this.#owner = owner;
  }

  /** Handles a page of due messages; resolves with the number of those that nobody held. */
  async handleDue(due: readonly StoredMessage[]): Promise<number> {
    const work = new UnitOfWork(this.#store);
    const taken: TakenDelivery[] = [];
    let handledCount = 0;
    try {
      for (const message of due) if (await this.#enlist(message, work, taken)) handledCount++;
      await work.commit();
    } catch (error) {
      work.rollback();
      // With an unknown outcome they stay locked: the store's recovery decides.
      if (work.state === 'rolledBack') for (const delivery of taken) delivery.release();
      throw error;
    }
    return handledCount;
  }

  /** False when somebody holds the message, or it is gone. */
  async #enlist(message: StoredMessage, work: UnitOfWork, taken: TakenDelivery[]): Promise<boolean> {
    const queue = this.#queues.ofPlace(message.place);
    if (queue === undefined) return false;
    if (queue.delayed !== undefined && message.place === queue.delayed.id) {
      if (queue.delayed.locked.has(message.position)) return false;
      work.enlist(new Release(queue, queue.delayed, message, this.#owner));
      if (!queue.isOutgoing) this.#owner.acknowledge(message.headers, 'ACK_REACH_QUEUE', queue.name, work);
      return true;
    }
    if (queue.waiting.locked.has(message.position)) return false;
    const delivery = await this.#take(queue, message.position);
    if (delivery === undefined) return false;
    taken.push(delivery);
    this.#expire(queue, delivery, work);
    return true;
  }

  /** Reads one waiting message whole and locks it; undefined when it went away or was taken meanwhile. */
  async #take(queue: Queue, position: number): Promise<TakenDelivery | undefined> {
    let taken: TakenDelivery | undefined;
    const exact = {
      place: queue.waiting.id,
      upToPosition: position,
      ...(position > 0 && { afterPosition: position - 1 }),
    };
    await queue.waiting.reading(
      () => this.#store.readMessages({ ...exact, countMax: 1, bytesMax: 1, withBodies: true }),
      ({ messages: [message] }) => {
        if (message === undefined || !queue.waiting.isFree(position)) return;
        taken = new TakenDelivery(queue, queue.waiting, message, (deadlineMs) => this.#owner.deadlineSet(deadlineMs));
      },
    );
    return taken;
  }

  #expire(queue: Queue, delivery: TakenDelivery, work: UnitOfWork): void {
    delivery.complete(work);
    const headers = parseHeaders(delivery.headers);
    const { reason, text } = expiryOf(queue, timeLimitsOf(headers));
    if (headers?.[Header.deadLetter] === 'off' || queue.name === DEAD_LETTER_QUEUE) {
      work.enlist(new CountExpired(queue));
      this.#owner.acknowledge(delivery.headers, reason, queue.name, work);
      return;
    }
    this.#owner.deadLetter({ queue, headers: delivery.headers, body: delivery.body, reason, text }, work);
  }
}

export interface ExpiryOwner extends PutOwner {
  readonly acknowledge: Acknowledge;
  deadLetter(letter: DeadLetter, work: UnitOfWork): void;
  nowMs(): number;
}

/** Why a message of this queue has expired, as a class of MSMQ and as a sentence. */
function expiryOf(
  queue: Queue,
  { toReachQueueMs, toBeReceivedMs }: TimeLimits,
): { readonly reason: AcknowledgementClass; readonly text: string } {
  const received = toBeReceivedMs === undefined ? '' : ` (${formatTimeSpan(toBeReceivedMs)})`;
  if (!queue.isOutgoing) {
    const text = `Nobody received it from '${queue.name}' in its time to be received${received}.`;
    return { reason: 'NACK_RECEIVE_TIMEOUT', text };
  }
  if (toReachQueueMs !== undefined && (toBeReceivedMs === undefined || toReachQueueMs <= toBeReceivedMs)) {
    const text = `It could not be sent to '${queue.name}' in its time to reach the queue (${formatTimeSpan(toReachQueueMs)}).`;
    return { reason: 'NACK_REACH_QUEUE_TIMEOUT', text };
  }
  const text = `It could not be sent to '${queue.name}' in its time to be received${received}.`;
  return { reason: 'NACK_RECEIVE_TIMEOUT_AT_SENDER', text };
}

/** A delayed message moves into its queue, behind what waits there, keeping its priority. Its times begin now. */
class Release implements Participant {
  readonly #queue: Queue;
  readonly #delayed: Place;
  readonly #message: StoredMessage;
  readonly #owner: ExpiryOwner;
  #toPosition = -1;
  #deadlineMs: number | undefined;

  constructor(queue: Queue, delayed: Place, message: StoredMessage, owner: ExpiryOwner) {
    this.#queue = queue;
    this.#delayed = delayed;
    this.#message = message;
    this.#owner = owner;
    delayed.locked.add(message.position);
  }

  contribute(operations: Operation[]): void {
    const { position } = this.#message;
    this.#toPosition = positionOf(priorityOf(position), this.#owner.nextSequence());
    const limits = timeLimitsOf(parseHeaders(this.#message.headers));
    const limitMs = this.#queue.isOutgoing ? firstLimitMs(limits) : limits.toBeReceivedMs;
    if (limitMs !== undefined) this.#deadlineMs = this.#owner.nowMs() + limitMs;
    operations.push({
      kind: 'move',
      place: this.#delayed.id,
      position,
      toPlace: this.#queue.waiting.id,
      toPosition: this.#toPosition,
      ...(this.#deadlineMs !== undefined && { deadlineMs: this.#deadlineMs }),
    });
  }

  ended(outcome: Outcome): void {
    if (outcome !== 'unknown') this.#delayed.locked.delete(this.#message.position);
    if (outcome !== 'committed') return;
    const bytes = this.#message.headers.byteLength + this.#message.bodyBytes;
    this.#delayed.removed(this.#message.position, bytes);
    this.#queue.arrivedUnread(this.#toPosition, bytes);
    if (this.#deadlineMs !== undefined) this.#owner.deadlineSet(this.#deadlineMs);
  }
}

class CountExpired implements Participant {
  readonly #queue: Queue;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  contribute(operations: Operation[]): void {
    operations.push({ kind: 'addToCounter', key: expiredCounterKey(this.#queue), amount: 1 });
  }

  ended(outcome: Outcome): void {
    if (outcome === 'committed') this.#queue.expired++;
  }
}
