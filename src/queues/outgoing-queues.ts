import type { Store } from '../store/store.ts';
import { type OutgoingOwner, OutgoingQueueHandle } from './outgoing-queue-handle.ts';
import type { Pins } from './pins.ts';
import type { Queue } from './queue.ts';
import { statusOf } from './queue-set.ts';
import type { OutgoingQueueStatus } from './queue-status.ts';
import type { OutgoingQueue } from './transfer-door.ts';

/**
 * The outgoing queues of one queue manager. A queue is added in the turn in which it is known, at the open before anything
 * else sees it; what a process before this one may have sent is locked from then on, whether a transfer runs or not.
 */
export class OutgoingQueues {
  readonly #store: Store;
  readonly #owner: OutgoingOwner;
  readonly #pins: ReadonlyMap<string, Pins>;
  readonly #handles = new Map<string, { readonly queue: Queue; readonly handle: OutgoingQueueHandle }>();
  readonly #watchers: ((queue: OutgoingQueue) => void)[] = [];

  constructor(store: Store, owner: OutgoingOwner, pins: ReadonlyMap<string, Pins>) {
    this.#store = store;
    this.#owner = owner;
    this.#pins = pins;
  }

  add(queue: Queue): void {
    const handle = new OutgoingQueueHandle(queue, this.#store, this.#owner, this.#pins.get(queue.name));
    this.#handles.set(queue.name, { queue, handle });
    for (const found of this.#watchers) found(handle);
  }

  /** Calls `found` for every outgoing queue there is, in this turn, and later for each that is made. */
  watch(found: (queue: OutgoingQueue) => void): void {
    for (const { handle } of this.#handles.values()) found(handle);
    this.#watchers.push(found);
  }

  /** In name order. */
  status(): readonly OutgoingQueueStatus[] {
    const all = [...this.#handles.values()].map(({ queue, handle }) => ({
      ...statusOf(queue),
      machine: handle.destination.machine,
      outcomeUnknown: handle.outcomeUnknown,
    }));
    return all.sort((one, other) => (one.queue < other.queue ? -1 : 1));
  }
}
