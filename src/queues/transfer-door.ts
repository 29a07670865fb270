import type { Address } from '../message/address.ts';
import type { StatePage, StateRange, StoreCondition, StoredMessage } from '../store/store.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { WindowEntry } from './receive-window.ts';

/**
 * What the transfer between machines needs of a queue manager; `QueueManager.transferDoor()` gives it, once.
 *
 * An outgoing queue is a queue whose name names another machine (`billing@beta`): its places, window, counts, expiry, delays
 * and journal are those of any queue. Two things differ. Its messages keep commit order whatever their priority (the
 * priority travels along and counts at the receiver). And its only receiver is the stream, which holds what it has sent
 * by the same locks that receivers hold, so that expiry, purge and move leave it alone.
 */
export interface TransferDoor {
  readonly machine: string;
  readonly storeId: string;
  readonly bodyBytesMax: number;
  /** Steady time. */
  nowMs(): number;
  begin(): UnitOfWork;
  readState(range: StateRange): Promise<StatePage>;
  setState(work: UnitOfWork, key: string, value: string | undefined): void;
  /** See `Store.admission`. */
  admission(): Promise<void> | undefined;
  readonly storeCondition: StoreCondition;
  onStoreCondition(listener: (condition: StoreCondition) => void): void;
  /** Calls `found` for every outgoing queue there is, in this turn, and later for each that is made. */
  watchOutgoing(found: (queue: OutgoingQueue) => void): void;
  /**
   * Puts a message that came from another machine into a queue of this one when `work` commits.
   *
   * `refused` is for good, `later` means not now; then nothing was enlisted. Never makes a queue.
   */
  deliver(message: ArrivedMessage, work: UnitOfWork): DeliverAnswer;
  /** How long this queue manager has been open, in ms: a queue may not have been made yet. */
  openForMs(): number;
}

export interface ArrivedMessage {
  readonly queue: string;
  /** The sender's machine, as its certificate or its HELLO proved it. */
  readonly fromMachine: string;
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  readonly priority: number;
  readonly timeToBeReceivedMs: number | undefined;
  readonly isPossibleDuplicate: boolean;
}

export type DeliverAnswer =
  | { readonly kind: 'enlisted' }
  | {
      readonly kind: 'refused';
      readonly code: 'NACK_BAD_DST_Q' | 'NACK_ACCESS_DENIED' | 'NACK_TOO_LARGE' | 'NACK_BAD_HEADERS';
      readonly text: string;
    }
  | {
      readonly kind: 'later';
      readonly code: 'QUEUE_FULL' | 'STORE_FULL' | 'QUEUE_NOT_YET_THERE';
      readonly text: string;
    };

/** One outgoing queue, in the hands of its stream. */
export interface OutgoingQueue {
  /** `billing@beta`. */
  readonly name: string;
  readonly destination: Required<Address>;
  /** Live counts, locked ones included; delayed messages are not in them. */
  readonly messages: number;
  readonly bytes: number;
  readonly delayed: number;
  /** Unix time at which the oldest waiting message was sent; undefined when none waits. */
  oldestSentMs(): Promise<number | undefined>;

  /**
   * The messages that a process before this one may have sent: those at or below the durable `sentUpTo`, ascending, without
   * bodies. They have been locked since the queue manager opened, before expiry or any verb saw the queue (G-T3). Once.
   */
  takePinned(): readonly StoredMessage[];
  /** The position up to which messages may have been sent, as last made durable; 0 at first. */
  readonly sentUpTo: number;
  /** Writes a new `sentUpTo` when `work` commits; kept under the state key `sent-up-to/NAME`. */
  setSentUpTo(position: number, work: UnitOfWork): void;
  /** No message that is in the queue now has a higher position. */
  highestPosition(): number;

  /**
   * Locks and gives the next message in order, or undefined: there is none, it is being read (`listen` tells), or somebody
   * else holds a message of this queue. While anybody else does, nothing is given: a lock that is released later would put
   * its message behind those that were sent.
   */
  takeNext(): WindowEntry | undefined;
  /** True when messages wait that nobody holds: `takeNext` has one, or will when a read or somebody else's hold is over. */
  readonly hasMore: boolean;
  /** Nothing will be taken for a while (no link): what was read ahead leaves the memory. `takeNext` reads again. */
  rest(): void;
  /** Tells when there may be more to take. */
  listen(listener: () => void): () => void;

  /** Gives a locked message back, unsent or to be sent again; its bytes are read again when its turn comes. */
  release(position: number): void;
  /**
   * The messages leave the queue when `work` commits: into the journal when the queue has one. On a rollback they stay
   * locked; so they do when the outcome is unknown.
   */
  complete(messages: readonly PinnedMessage[], work: UnitOfWork): void;
  /** Moves one locked message into the dead-letter queue of this machine when `work` commits. */
  deadLetter(message: StoredMessage, reason: string, text: string, work: UnitOfWork): void;
  /** Reads messages that are locked, with their bodies, after `afterPosition`. */
  readLocked(afterPosition: number, countMax: number): Promise<readonly StoredMessage[]>;
  /** What is left of the message's time to be received, in ms; undefined when it has none. */
  timeToBeReceivedLeftMs(entry: WindowEntry): number | undefined;
  /** The priority that the sender asked for. */
  priorityOf(entry: WindowEntry): number;
}

export interface PinnedMessage {
  readonly position: number;
  /** Headers and body. */
  readonly byteCount: number;
}
