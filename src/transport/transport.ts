import type { Address } from '../message/address.ts';
import type { Headers } from '../message/headers.ts';
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';

/**
 * The seam between an endpoint and queueing. `transports/queue-manager/` implements it on an embedded queue manager;
 * `transports/remote/` implements `Dispatcher` alone, over the control socket.
 *
 * Obligations
 * T1  `receive` gives a message to exactly one receiver; it stays locked until its delivery is completed by a committed
 *     unit of work or released. Neither a rollback nor an unknown outcome releases it.
 * T2  A released message is back in its original place.
 * T3  `dispatch` with a unit of work: nothing is visible before the commit, everything after it.
 * T4  `dispatch` without one resolves after the messages are durable, all or none.
 * T5  Failure counts and deaths survive the process.
 */
export interface Transport extends Dispatcher {
  /** Of transactions that take databases along. */
  readonly coordinator: TransactionCoordinator;
  begin(): UnitOfWork;
  /** True for this machine's name and its other names, in any case, and for no name. */
  isHere(machine: string | undefined): boolean;
  openReceiver(queue: string): Promise<Receiver>;
}

export interface Dispatcher {
  /** Name of this machine, as in `queue@machine`. */
  readonly machine: string;
  /** Undefined while there is room for more sends on the way to the disk; else resolves when there is again. */
  admission(): Promise<void> | undefined;
  /**
   * Checks size and address at once (throws synchronously inside the promise), then hands the messages over.
   *
   * @throws {PosthornError} INVALID_ADDRESS, MESSAGE_TOO_LARGE, QUEUE_FULL, STORE_FULL, TOO_MANY_QUEUES, …: nothing was sent
   */
  dispatch(messages: readonly OutgoingMessage[], work?: UnitOfWork): Promise<void>;
}

export interface OutgoingMessage {
  readonly destination: Address;
  /** Complete, message id and all; checked by whoever built it. */
  readonly headers: Headers;
  /** Stored instead of `headers`, byte for byte: how an operator moves a message, or returns one whose headers could not be read. */
  readonly headerBytes?: Uint8Array;
  readonly body: Uint8Array;
  /** 0 to 7; default 3. */
  readonly priority?: number;
  /** Visible to receivers only after this time. 0 and less: at once. */
  readonly delayMs?: number;
  /** Dropped, or dead-lettered, when nobody received it in this time after it became visible. */
  readonly timeToBeReceivedMs?: number;
  /**
   * Dead-lettered at the sender when it is not in its queue in this time; a delayed message counts from its due time. A
   * queue of this machine is reached at once.
   */
  readonly timeToReachQueueMs?: number;
  /** Default true: an expired message goes to the dead-letter queue; false: it is dropped and counted. */
  readonly deadLetter?: boolean;
  /** Asks for acknowledgement messages; neither `reached` nor `received` said means both. */
  readonly acknowledge?: AcknowledgementRequest;
}

/** Who wants to hear what becomes of a message. Each of the two is answered once, by a yes or by a no with its class. */
export interface AcknowledgementRequest {
  /** The administration queue. */
  readonly queue: Address;
  /** Whether it got into the queue that it was sent to. */
  readonly reached?: boolean;
  /** Whether a receiver took it out of there for good, which a move to the error queue is too. */
  readonly received?: boolean;
}

export interface Receiver {
  readonly queue: string;
  /** True when a message is ready to be received; resolves false only after `close`. Costs nothing while it waits. */
  peek(): Promise<boolean>;
  /**
   * Locks the first ready message and notes it in the in-flight table; undefined when somebody else took it, or when
   * what is next must wait until it can run alone (a message that was in flight when a process died).
   */
  receive(): Delivery | undefined;
  /** Writes the in-flight notes of the deliveries received since the last call; handlers start after it. One write for all. */
  noteStarts(): void;
  /** Removes everything that waits, delayed messages included; resolves with the count. */
  purge(): Promise<number>;
  /** Ends a pending `peek`, gives nothing more. Deliveries that are out stay locked until they end. */
  close(): void;
}

export interface Delivery {
  readonly queue: string;
  /** Header bytes and body as stored. */
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  /** True when the stored bytes do not match their checksum. */
  readonly isDamaged: boolean;
  readonly priority: number;
  /** Handler attempts of this round that failed before this one; durable. */
  readonly failedAttempts: number;
  /** How often a process died while this message was in flight; durable. */
  readonly deaths: number;
  /** The message is gone when `work` commits; its counters too. */
  complete(work: UnitOfWork): void;
  /** Writes a new count of failed attempts when `work` commits. */
  countFailure(work: UnitOfWork, failedAttempts: number): void;
  /** Gives the message back to its place, for the next receiver. Once, after everything else about it has ended. */
  release(): void;
}
