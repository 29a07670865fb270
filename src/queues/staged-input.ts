import type { Operation, StoredMessage } from '../store/store.ts';
import type { DescribedPart, Outcome, Participant } from '../transactions/unit-of-work.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';
import { contributeReceipt, type ReceivedMessage, receiptCommitted } from './receipt.ts';

/**
 * The message that a transaction of a process before this one received, and staged. Locked from the open on, before
 * anybody sees its queue.
 *
 *     locked ──contribute, committed──▶ gone
 *        ├──rolledBack──▶ in its place again
 *        └──unknown──▶ stays locked; what is on the disk decides
 *
 * Whoever asked to hear of its receipt hears by a send of the transaction, so there is nothing to acknowledge here.
 */
export class StagedInput implements Participant {
  readonly #queue: Queue;
  readonly #message: ReceivedMessage;
  readonly #deadlineMs: number | undefined;
  readonly #owner: StagedInputOwner;
  #journal: Place | undefined;

  constructor(queue: Queue, message: StoredMessage, owner: StagedInputOwner) {
    this.#queue = queue;
    this.#message = { position: message.position, byteCount: message.headers.byteLength + message.bodyBytes };
    this.#deadlineMs = message.deadlineMs;
    this.#owner = owner;
    queue.lock(message.position);
  }

  describe(): DescribedPart {
    return { kind: 'input', queue: this.#queue.name, position: this.#message.position };
  }

  contribute(operations: Operation[]): void {
    this.#journal = contributeReceipt(this.#queue, this.#message, this.#owner, operations);
  }

  ended(outcome: Outcome): void {
    switch (outcome) {
      case 'committed':
        receiptCommitted(this.#queue, this.#message, this.#journal);
        this.#queue.signalTransfer();
        return;
      case 'rolledBack':
        this.#queue.releaseUnread(this.#message.position);
        if (this.#deadlineMs !== undefined) this.#owner.deadlineSet(this.#deadlineMs);
        return;
      case 'unknown':
        return;
      default:
        outcome satisfies never;
    }
  }
}

export interface StagedInputOwner {
  nextSequence(): number;
  deadlineSet(deadlineMs: number): void;
}
