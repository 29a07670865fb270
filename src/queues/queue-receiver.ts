import type { Delivery, Receiver } from '../transport/transport.ts';
import type { Queue } from './queue.ts';
import { type DeliveryOwner, QueueDelivery } from './queue-delivery.ts';
import type { WindowEntry } from './receive-window.ts';
import type { StartGate } from './start-gate.ts';

/** Receives from one queue. Several receivers may share one; each message goes to exactly one of them. */
export class QueueReceiver implements Receiver {
  readonly queue: string;
  readonly #queue: Queue;
  readonly #owner: ReceiverOwner;
  readonly #stopListening: () => void;
  #isClosed = false;
  #waiting: ((isReady: boolean) => void) | undefined;

  constructor(queue: Queue, owner: ReceiverOwner) {
    this.queue = queue.name;
    this.#queue = queue;
    this.#owner = owner;
    queue.receivers++;
    this.#stopListening = queue.listen(() => this.#lookAgain());
  }

  peek(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.#isReady()) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  receive(): Delivery | undefined {
    if (this.#isClosed) return undefined;
    for (let entry = this.#queue.first(); entry !== undefined; entry = this.#queue.first()) {
      if (this.#hasExpired(entry)) {
        this.#queue.passOverFirst();
        continue;
      }
      if (!this.#owner.hasFreeSlot() || !this.#mayStart(entry.position)) return undefined;
      this.#queue.takeFirst();
      return new QueueDelivery(this.#queue, entry, this.#owner, this.#owner.enter(this.#queue, entry.position));
    }
    return undefined;
  }

  noteStarts(): void {
    this.#owner.noteStarts();
  }

  purge(): Promise<number> {
    return this.#owner.purge(this.#queue);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    this.#queue.receiverClosed();
    this.#waiting?.(false);
    this.#owner.gate.lookAgain();
  }

  #isReady(): boolean {
    return this.#queue.hasNews() && this.#owner.gate.isOpen();
  }

  #mayStart(position: number): boolean {
    const queue = this.#queue;
    if (queue.attempts.of(position).deaths === 0) return this.#owner.gate.tryStart();
    // What came before it meanwhile, by its priority, must not wait for one that stands behind it.
    return this.#owner.gate.tryStartSuspect(
      () => queue.receivers > 0 && queue.isFirst(position) && queue.attempts.of(position).deaths > 0,
    );
  }

  #lookAgain(): void {
    if (this.#waiting === undefined || !this.#isReady()) return;
    const resolve = this.#waiting;
    this.#waiting = undefined;
    resolve(true);
  }

  #hasExpired(entry: WindowEntry): boolean {
    return entry.deadlineMs !== undefined && entry.deadlineMs <= this.#owner.nowMs();
  }
}

/** What a receiver needs of its queue manager. */
export interface ReceiverOwner extends DeliveryOwner {
  nowMs(): number;
  readonly gate: StartGate;
  /** False while the in-flight table is full. */
  hasFreeSlot(): boolean;
  /** Notes the message in the in-flight table and returns its slot. */
  enter(queue: Queue, position: number): number;
  noteStarts(): void;
  purge(queue: Queue): Promise<number>;
}
