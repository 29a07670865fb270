import type { Store, StoredMessage } from '../store/store.ts';
import { Attempts } from './attempts.ts';
import { WINDOW_PAGE_BYTES, WINDOW_PAGE_MESSAGES, WINDOW_REFILL_BELOW } from './limits.ts';
import { isOutgoingName } from './machine-names.ts';
import type { Place } from './place.ts';
import type { QueueSettings } from './queue-status.ts';
import { ReceiveWindow, type WindowEntry } from './receive-window.ts';

/**
 * One queue in memory: its places, its window of ready messages and who waits for them.
 *
 * Order is that of positions: priority, then commit order; a released message is back in its place. Nothing polls: a
 * queue is looked at when a message became visible, when a page arrived, or when the start gate opened.
 */
export class Queue {
  readonly name: string;
  /** It waits here for another machine, and only the transfer takes messages out of it (see transfer-door.ts). */
  readonly isOutgoing: boolean;
  readonly waiting: Place;
  readonly attempts = new Attempts();
  delayed: Place | undefined;
  journal: Place | undefined;
  settings: QueueSettings = {};
  /** Expired and dropped without a copy; durable under its own counter key. */
  expired = 0;
  receivers = 0;

  readonly #store: Store;
  readonly #window = new ReceiveWindow();
  #isReading = false;
  /** Highest position that became visible while a read was out: a result that ends below it is not the end. */
  #arrivedWhileReading = -1;
  #readFailure: Error | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(name: string, waiting: Place, store: Store) {
    this.name = name;
    this.isOutgoing = isOutgoingName(name);
    this.waiting = waiting;
    this.#store = store;
  }

  /** Calls `listener` whenever a receiver should look again. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  signal(): void {
    for (const listener of this.#listeners) listener();
  }

  /** True when `first` has something to say: a message, or why a read failed. Starts a read when one is needed. */
  hasNews(): boolean {
    if (this.#readFailure !== undefined || this.#window.length > 0) return true;
    if (!this.#window.isAtEnd) this.#refill();
    return false;
  }

  receiverClosed(): void {
    this.receivers--;
    if (this.receivers === 0) this.#window.reset();
  }

  /**
   * The next ready message, not taken; undefined when none is in memory, and then a read is on its way if one is needed.
   *
   * @throws {PosthornError} what the store answered to the last read, once
   */
  first(): WindowEntry | undefined {
    if (this.#readFailure !== undefined) {
      const failure = this.#readFailure;
      this.#readFailure = undefined;
      throw failure;
    }
    const entry = this.#window.first();
    if (this.#window.length < WINDOW_REFILL_BELOW && !this.#window.isAtEnd) this.#refill();
    return entry;
  }

  /** True for the message that `first` would show now. */
  isFirst(position: number): boolean {
    return this.#window.first()?.position === position;
  }

  /** Takes the message that `first` showed, and locks its position. */
  takeFirst(): WindowEntry | undefined {
    const entry = this.#window.takeFirst();
    if (entry !== undefined) this.waiting.locked.add(entry.position);
    return entry;
  }

  /** Shows the first message to no receiver any more: it has expired, and the deadline keeper takes it away. */
  passOverFirst(): void {
    this.#window.takeFirst();
  }

  /** Locks one message for an operator or the deadline keeper; its place in the window is given up. */
  lock(position: number): void {
    this.#window.remove(position);
    this.waiting.locked.add(position);
  }

  /** Every message at or below `position` is locked: the first read begins behind them. */
  beginBehind(position: number): void {
    this.#window.readFrom([], position, false);
  }

  /** A message was committed into the queue, its bytes at hand. */
  arrived(entry: WindowEntry): void {
    this.waiting.added(entry.headers.byteLength + entry.body.byteLength);
    this.#becameVisible(entry);
  }

  /** A message was committed into the queue and must be read from the store, as one that was delayed. */
  arrivedUnread(position: number, bytes: number): void {
    this.waiting.added(bytes);
    this.#becameVisibleUnread(position);
  }

  /** Gives a locked message back to its place. */
  release(entry: WindowEntry): void {
    this.waiting.locked.delete(entry.position);
    this.#becameVisible(entry);
  }

  /** Gives back a locked message whose bytes are not at hand. */
  releaseUnread(position: number): void {
    this.waiting.locked.delete(position);
    this.#becameVisibleUnread(position);
  }

  /** The transfer must look again: it takes nothing while somebody else holds a message, and it may be nobody's receiver. */
  signalTransfer(): void {
    if (this.isOutgoing) this.signal();
  }

  /** A locked message left the queue for good. */
  gone(position: number, bytes: number): void {
    this.waiting.removed(position, bytes);
    this.waiting.locked.delete(position);
    this.attempts.forget(position);
  }

  /** What is in memory may differ from the disk: read again. Locks stay. */
  reread(): void {
    this.#window.reset();
    this.signal();
  }

  #becameVisible(entry: WindowEntry): void {
    if (this.receivers === 0) {
      // Nobody receives: hold no bytes, and read from the store when somebody comes.
      this.#window.arrivedUnread(entry.position);
      this.signalTransfer();
      return;
    }
    this.#noteWhileReading(entry.position);
    this.#window.arrived(entry);
    this.signal();
  }

  #becameVisibleUnread(position: number): void {
    this.#noteWhileReading(position);
    this.#window.arrivedUnread(position);
    this.signal();
  }

  #noteWhileReading(position: number): void {
    if (position > this.#arrivedWhileReading) this.#arrivedWhileReading = position;
  }

  #refill(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#arrivedWhileReading = -1;
    const readAfter = this.#window.readUpTo;
    this.waiting
      .reading(
        () =>
          this.#store.readMessages({
            place: this.waiting.id,
            ...(readAfter >= 0 && { afterPosition: readAfter }),
            countMax: WINDOW_PAGE_MESSAGES,
            bytesMax: WINDOW_PAGE_BYTES,
            withBodies: true,
          }),
        (page) => {
          this.#isReading = false;
          // The window may have fallen back meanwhile; then this page does not join on and is read again.
          if (this.#window.readUpTo === readAfter) this.#use(page.messages, page.isLast, readAfter);
          this.signal();
        },
      )
      .catch((error: Error) => {
        this.#isReading = false;
        this.#readFailure = error;
        this.signal();
      });
  }

  #use(messages: readonly StoredMessage[], isLast: boolean, readAfter: number): void {
    const readUpTo = messages.at(-1)?.position ?? readAfter;
    const free = messages.filter((message) => this.waiting.isFree(message.position));
    this.#window.readFrom(free.map(entryOf), readUpTo, isLast && this.#arrivedWhileReading <= readUpTo);
  }
}

function entryOf(message: StoredMessage): WindowEntry {
  return {
    position: message.position,
    headers: message.headers,
    body: message.body ?? EMPTY,
    deadlineMs: message.deadlineMs,
    isDamaged: message.damaged,
  };
}

const EMPTY = new Uint8Array(0);
