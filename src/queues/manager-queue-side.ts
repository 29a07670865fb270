import { invariant } from '../message/posthorn-error.ts';
import type { Store, StoreCondition } from '../store/store.ts';
import type { QueueSide } from '../transactions/queue-side.ts';
import type { TransactionRecord } from '../transactions/transaction-record.ts';
import type { Participant, UnitOfWork } from '../transactions/unit-of-work.ts';
import type { FoundTransactions } from './found-transactions.ts';
import { HeldPut } from './held-put.ts';
import type { PutOwner } from './pending-put.ts';
import type { QueueSet } from './queue-set.ts';
import { StagedInput } from './staged-input.ts';
import { StateChange } from './state-change.ts';

/**
 * The queues of one queue manager, as its coordinator of transactions sees them.
 *
 * Made in the turn in which the queues are known: from then on the inputs of staged transactions are locked and held sends
 * count, whether a coordinator asks for them or not.
 */
export class ManagerQueueSide implements QueueSide {
  readonly storeId: string;
  readonly machine: string;
  readonly store: Store;
  readonly found: readonly TransactionRecord[];
  readonly #queues: QueueSet;
  readonly #owner: QueueSideOwner;
  /** What finishes each record; taken out by `rebuild`. */
  readonly #rests = new Map<string, readonly Participant[]>();

  constructor(store: Store, queues: QueueSet, found: FoundTransactions, owner: QueueSideOwner) {
    this.storeId = store.opened.storeId;
    this.machine = owner.machine;
    this.store = store;
    this.found = found.records;
    this.#queues = queues;
    this.#owner = owner;
    for (const record of found.records) this.#rests.set(record.id, this.#restOf(record, found));
  }

  ready(): Promise<void> {
    return this.#queues.ensureHeld();
  }

  begin(): UnitOfWork {
    return this.#owner.begin();
  }

  rebuild(record: TransactionRecord): readonly Participant[] {
    const rest = this.#rests.get(record.id);
    invariant(rest !== undefined, `transaction ${record.id} was found at the open, and is rebuilt once`);
    this.#rests.delete(record.id);
    return rest;
  }

  highestSequence(): number {
    return this.#owner.highestSequence();
  }

  onStoreCondition(listener: (condition: StoreCondition) => void): void {
    this.store.onCondition(listener);
  }

  /** In the order in which they were enlisted when they were alive: input, state, sends. */
  #restOf({ id, state, parts, sends }: TransactionRecord, found: FoundTransactions): readonly Participant[] {
    const rest: Participant[] = [];
    for (const { transaction, queue, message } of found.inputs) {
      if (transaction === id) rest.push(new StagedInput(this.#queues.require(queue), message, this.#owner));
    }
    for (const part of state === 'staged' ? parts : []) {
      if (part.kind === 'state') rest.push(new StateChange(part.key, part.value));
    }
    for (const send of sends) {
      // A queue is made for a send before its transaction is written down; it is made again should it be gone.
      if (found.heldPositions.has(send.position)) {
        rest.push(new HeldPut(this.#queues.ensureNow(send.queue), send, this.#owner));
      }
    }
    return rest;
  }
}

export interface QueueSideOwner extends PutOwner {
  readonly machine: string;
  /** Also while the queue manager closes. */
  begin(): UnitOfWork;
  highestSequence(): number;
}
