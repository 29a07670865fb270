import type { StatePage, StateRange, Store } from '../store/store.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import { Arrivals, type ArrivalsOwner } from './arrivals.ts';
import type { OutgoingQueues } from './outgoing-queues.ts';
import type { QueueSet } from './queue-set.ts';
import type { TransferDoor } from './transfer-door.ts';

/** Makes the door by which the transfer between machines reaches a queue manager. */
export function openTransferDoor(manager: TransferManager, parts: TransferParts): TransferDoor {
  const { store, queues, outgoing } = parts;
  const arrivals = new Arrivals(queues, parts);
  return {
    machine: manager.machine,
    storeId: manager.storeId,
    bodyBytesMax: parts.bodyBytesMax,
    nowMs: () => parts.nowMs(),
    begin: () => parts.begin(),
    readState: (range) => manager.readState(range),
    setState: (work, key, value) => manager.setState(work, key, value),
    admission: () => manager.admission(),
    get storeCondition() {
      return store.condition;
    },
    onStoreCondition: (listener) => store.onCondition(listener),
    watchOutgoing: (found) => outgoing.watch(found),
    deliver: (message, work) => arrivals.deliver(message, work),
    openForMs: () => parts.openForMs(),
  };
}

/** What the door takes over from the queue manager as it is. */
interface TransferManager {
  readonly machine: string;
  readonly storeId: string;
  readState(range: StateRange): Promise<StatePage>;
  setState(work: UnitOfWork, key: string, value: string | undefined): void;
  admission(): Promise<void> | undefined;
}

export interface TransferParts extends ArrivalsOwner {
  readonly store: Store;
  readonly queues: QueueSet;
  readonly outgoing: OutgoingQueues;
  /** Also while the queue manager closes. */
  begin(): UnitOfWork;
}
