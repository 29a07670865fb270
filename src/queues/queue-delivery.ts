import { invariant } from '../message/posthorn-error.ts';
import { type Operation, priorityOf } from '../store/store.ts';
import type { DescribedPart, Outcome, Participant, UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery } from '../transport/transport.ts';
import type { Acknowledge } from './acknowledgements.ts';
import { type AttemptCounts, attemptsKey } from './attempts.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';
import { contributeReceipt, type ReceivedMessage, receiptCommitted } from './receipt.ts';
import type { WindowEntry } from './receive-window.ts';

/**
 * A locked message in somebody's hands.
 *
 *     held ──complete(work)──▶ leaving ──committed──▶ gone
 *      ▲                          │  └──unknown──▶ inDoubt (stays locked; the store's recovery decides)
 *      └────────rolledBack────────┘
 *     held ──release()──▶ released
 *
 * The lock outlives a rollback on purpose: recoverability decides first, in a unit of its own, what becomes of the message.
 */
export class QueueDelivery implements Delivery, Participant {
  readonly #queue: Queue;
  readonly #entry: WindowEntry;
  readonly #owner: DeliveryOwner;
  readonly #slot: number;
  /** As they were at the receipt: they leave the queue with the message, and are asked for afterwards too. */
  readonly #counts: AttemptCounts;
  #journal: Place | undefined;
  #state: 'held' | 'leaving' | 'gone' | 'inDoubt' | 'released' = 'held';

  constructor(queue: Queue, entry: WindowEntry, owner: DeliveryOwner, slot: number) {
    this.#queue = queue;
    this.#entry = entry;
    this.#owner = owner;
    this.#slot = slot;
    this.#counts = queue.attempts.of(entry.position);
  }

  get #received(): ReceivedMessage {
    const { position, headers, body } = this.#entry;
    return { position, byteCount: headers.byteLength + body.byteLength };
  }

  get queue(): string {
    return this.#queue.name;
  }

  get headers(): Uint8Array {
    return this.#entry.headers;
  }

  get body(): Uint8Array {
    return this.#entry.body;
  }

  get isDamaged(): boolean {
    return this.#entry.isDamaged;
  }

  get priority(): number {
    return priorityOf(this.#entry.position);
  }

  get failedAttempts(): number {
    return this.#counts.failed;
  }

  get deaths(): number {
    return this.#counts.deaths;
  }

  complete(work: UnitOfWork): void {
    invariant(this.#state === 'held', `a delivery is completed once while it is held, this one is ${this.#state}`);
    work.enlist(this);
    this.#state = 'leaving';
    this.#owner.acknowledge(this.headers, 'ACK_RECEIVE', this.queue, work);
  }

  countFailure(work: UnitOfWork, failedAttempts: number): void {
    invariant(this.#state === 'held', `failures are counted on a held delivery, this one is ${this.#state}`);
    const counts = { failed: failedAttempts, deaths: this.deaths };
    work.enlist(new CountedFailure(this.#queue, this.#entry.position, counts));
  }

  release(): void {
    if (this.#state === 'released') return;
    invariant(this.#state === 'held', `only a held delivery can be released, this one is ${this.#state}`);
    this.#state = 'released';
    this.#owner.cleared(this.#slot);
    this.#queue.release(this.#entry);
    if (this.#entry.deadlineMs !== undefined) this.#owner.deadlineSet(this.#entry.deadlineMs);
  }

  describe(): DescribedPart {
    return { kind: 'input', queue: this.#queue.name, position: this.#entry.position };
  }

  contribute(operations: Operation[]): void {
    this.#journal = contributeReceipt(this.#queue, this.#received, this.#owner, operations);
  }

  ended(outcome: Outcome): void {
    if (outcome === 'committed') this.#left();
    else this.#state = outcome === 'unknown' ? 'inDoubt' : 'held';
  }

  #left(): void {
    this.#state = 'gone';
    receiptCommitted(this.#queue, this.#received, this.#journal);
    this.#owner.left(this.#slot);
  }
}

/** What a delivery needs of its queue manager. */
export interface DeliveryOwner {
  nextSequence(): number;
  /** A message with this deadline is free; it may have passed while the message was held. */
  deadlineSet(deadlineMs: number): void;
  readonly acknowledge: Acknowledge;
  /** A received message left for good. */
  left(slot: number): void;
  /** A received message went back to its place. */
  cleared(slot: number): void;
}

class CountedFailure implements Participant {
  readonly #queue: Queue;
  readonly #position: number;
  readonly #counts: AttemptCounts;

  constructor(queue: Queue, position: number, counts: AttemptCounts) {
    this.#queue = queue;
    this.#position = position;
    this.#counts = counts;
  }

  contribute(operations: Operation[]): void {
    const key = attemptsKey(this.#queue.waiting.id, this.#position);
    operations.push({ kind: 'setState', key, value: JSON.stringify(this.#counts) });
  }

  ended(outcome: Outcome): void {
    if (outcome === 'committed') this.#queue.attempts.set(this.#position, this.#counts);
  }
}
