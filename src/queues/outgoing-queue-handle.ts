import { type Address, parseAddress } from '../message/address.ts';
import { Header } from '../message/headers.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import { invariant } from '../message/posthorn-error.ts';
import { parseTimestamp } from '../message/timestamp.ts';
import { positionOf, type Store, type StoredMessage } from '../store/store.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import { LeavingMessages } from './leaving-messages.ts';
import type { Pins } from './pins.ts';
import type { Queue } from './queue.ts';
import type { WindowEntry } from './receive-window.ts';
import { OUTGOING_PRIORITY, sentPriorityOf } from './sent-priority.ts';
import { SentUpTo } from './sent-up-to.ts';
import { type SetAsideOwner, setAside } from './set-aside.ts';
import { timeToBeReceivedLeftMs } from './time-limits.ts';
import type { OutgoingQueue, PinnedMessage } from './transfer-door.ts';

/**
 * An outgoing queue, in the hands of its stream.
 *
 *     waiting ──takeNext()──▶ held ──complete() or deadLetter(), committed──▶ gone
 *        ▲                     │ ▲
 *        └──────release()──────┘ └── pinned: held from the open on, because a process before this one may have sent it
 *
 * Invariants
 * - What is held is locked in the queue, so nothing else moves it: no expiry, no purge, no operator.
 * - `takeNext` gives messages in ascending position and leaves none out: nothing while anybody else holds a message of the
 *   queue (given back, it would stand behind those that were sent), nothing past one that has expired and is still there.
 */
export class OutgoingQueueHandle implements OutgoingQueue {
  readonly name: string;
  readonly destination: Required<Address>;
  readonly #queue: Queue;
  readonly #store: Store;
  readonly #owner: OutgoingOwner;
  readonly #sentUpTo: SentUpTo;
  /** Deadline by position. */
  readonly #held = new Map<number, number | undefined>();
  #pinned: readonly StoredMessage[];

  constructor(queue: Queue, store: Store, owner: OutgoingOwner, pins: Pins | undefined) {
    this.name = queue.name;
    this.destination = parseAddress(queue.name) as Required<Address>; // an outgoing queue's name has both parts
    this.#queue = queue;
    this.#store = store;
    this.#owner = owner;
    this.#sentUpTo = new SentUpTo(queue.name, pins?.sentUpTo ?? 0);
    this.#pinned = pins?.messages ?? [];
    for (const { position, deadlineMs } of this.#pinned) {
      queue.lock(position);
      this.#held.set(position, deadlineMs);
    }
    const last = this.#pinned.at(-1);
    if (last !== undefined) queue.beginBehind(last.position);
  }

  get messages(): number {
    return this.#queue.waiting.messages;
  }

  get bytes(): number {
    return this.#queue.waiting.bytes;
  }

  get delayed(): number {
    return this.#queue.delayed?.messages ?? 0;
  }

  get sentUpTo(): number {
    return this.#sentUpTo.position;
  }

  get hasMore(): boolean {
    return this.#queue.waiting.messages > this.#queue.waiting.locked.size;
  }

  /** Held messages that may have left: at or below the durable `sentUpTo`. */
  get outcomeUnknown(): number {
    let count = 0;
    for (const position of this.#held.keys()) if (position <= this.sentUpTo) count++;
    return count;
  }

  async oldestSentMs(): Promise<number | undefined> {
    const place = this.#queue.waiting.id;
    const page = await this.#store.readMessages({ place, countMax: 1, bytesMax: 1, withBodies: false });
    const headers = page.messages[0] === undefined ? undefined : parseHeaders(page.messages[0].headers);
    return parseTimestamp(headers?.[Header.timeSent] ?? '');
  }

  takePinned(): readonly StoredMessage[] {
    const pinned = this.#pinned;
    this.#pinned = [];
    return pinned;
  }

  setSentUpTo(position: number, work: UnitOfWork): void {
    this.#sentUpTo.set(position, work);
  }

  highestPosition(): number {
    return positionOf(OUTGOING_PRIORITY, this.#owner.highestSequence());
  }

  takeNext(): WindowEntry | undefined {
    if (this.#queue.waiting.locked.size > this.#held.size) return undefined;
    this.#queue.receivers = 1;
    const entry = this.#first();
    if (entry === undefined) return undefined;
    if (entry.deadlineMs !== undefined && entry.deadlineMs <= this.#owner.nowMs()) {
      // The deadline keeper takes it away, and that is told.
      this.#owner.deadlineSet(entry.deadlineMs);
      return undefined;
    }
    if (entry.isDamaged) {
      void setAside(this.#queue, entry, this.#store, this.#owner);
      return undefined;
    }
    this.#queue.takeFirst();
    this.#held.set(entry.position, entry.deadlineMs);
    return entry;
  }

  rest(): void {
    if (this.#queue.receivers > 0) this.#queue.receiverClosed();
  }

  listen(listener: () => void): () => void {
    return this.#queue.listen(listener);
  }

  release(position: number): void {
    const deadlineMs = this.#held.get(position);
    invariant(this.#held.delete(position), `position ${position} of '${this.name}' is held by its stream`);
    this.#queue.releaseUnread(position);
    if (deadlineMs !== undefined) this.#owner.deadlineSet(deadlineMs);
  }

  complete(messages: readonly PinnedMessage[], work: UnitOfWork): void {
    this.#leave(messages, work, this.#queue.settings.journal === true);
  }

  deadLetter(message: StoredMessage, reason: string, text: string, work: UnitOfWork): void {
    const body = message.body ?? EMPTY;
    this.#owner.deadLetter({ queue: this.#queue, headers: message.headers, body, reason, text }, work);
    const byteCount = message.headers.byteLength + message.bodyBytes;
    this.#leave([{ position: message.position, byteCount }], work, false);
  }

  async readLocked(afterPosition: number, countMax: number): Promise<readonly StoredMessage[]> {
    const upToPosition = Math.max(-1, ...this.#held.keys());
    const found: StoredMessage[] = [];
    for (let after = afterPosition, isLast = false; !isLast && found.length === 0 && after < upToPosition; ) {
      await this.#queue.waiting.reading(
        () =>
          this.#store.readMessages({
            place: this.#queue.waiting.id,
            ...(after >= 0 && { afterPosition: after }),
            upToPosition,
            countMax,
            bytesMax: LOCKED_PAGE_BYTES,
            withBodies: true,
          }),
        (page) => {
          for (const message of page.messages) if (this.#held.has(message.position)) found.push(message);
          after = page.messages.at(-1)?.position ?? upToPosition;
          isLast = page.isLast;
        },
      );
    }
    return found;
  }

  timeToBeReceivedLeftMs(entry: WindowEntry): number | undefined {
    return timeToBeReceivedLeftMs(entry, this.#owner.nowMs());
  }

  priorityOf(entry: WindowEntry): number {
    return sentPriorityOf(entry.headers);
  }

  #first(): WindowEntry | undefined {
    try {
      return this.#queue.first();
    } catch (error) {
      this.#owner.failed(error, `reading queue '${this.name}'`);
      this.#owner.later(() => this.#queue.signal());
      return undefined;
    }
  }

  #leave(messages: readonly PinnedMessage[], work: UnitOfWork, intoJournal: boolean): void {
    for (const { position } of messages) {
      invariant(this.#held.has(position), `position ${position} of '${this.name}' is held by its stream`);
    }
    const gone = (position: number): void => void this.#held.delete(position);
    work.enlist(new LeavingMessages({ queue: this.#queue, messages, intoJournal, owner: this.#owner, gone }));
  }
}

const LOCKED_PAGE_BYTES = 2 * 1024 * 1024;
const EMPTY = new Uint8Array(0);

export interface OutgoingOwner extends SetAsideOwner {
  nowMs(): number;
  nextSequence(): number;
  highestSequence(): number;
}
