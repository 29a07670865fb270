import { Header } from '../message/headers.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import { priorityOf, type QueuePlaceKind, type Store, type StoredMessage, sequenceOf } from '../store/store.ts';
import type { BrowsedMessage, BrowsePage, BrowseRange, TakenPage } from './browsing.ts';
import type { Place } from './place.ts';
import type { Queue } from './queue.ts';
import type { QueueSet } from './queue-set.ts';
import { sentPriorityOf } from './sent-priority.ts';
import { TakenDelivery } from './taken-delivery.ts';

/** Looks at queues without receiving, and takes messages out of them for an operator; one bounded page a call. */
export class Browser {
  readonly #store: Store;
  readonly #queues: QueueSet;
  readonly #deadlineSet: (deadlineMs: number) => void;
  readonly #wallMsOf: (steadyMs: number) => number;

  constructor(store: Store, queues: QueueSet, owner: BrowserOwner) {
    this.#store = store;
    this.#queues = queues;
    this.#deadlineSet = owner.deadlineSet;
    this.#wallMsOf = owner.wallMsOf;
  }

  async browse(range: BrowseRange): Promise<BrowsePage> {
    const queue = this.#queues.require(range.queue);
    const place = placeOf(queue, range.kind);
    if (place === undefined) return { messages: [], lastPosition: undefined, isLast: true };
    const messages: BrowsedMessage[] = [];
    const cursor = await this.#readPage(place, range, (message) => {
      if (!place.wasRemovedDuringReads(message.position)) messages.push(this.#browsed(queue, place, message));
    });
    return { messages, ...cursor };
  }

  async takePage(range: BrowseRange, accept: (message: BrowsedMessage) => boolean): Promise<TakenPage> {
    const queue = this.#queues.require(range.queue);
    const place = placeOf(queue, range.kind);
    if (place === undefined) return { taken: [], lockedCount: 0, lookedAt: 0, lastPosition: undefined, isLast: true };
    const taken: { message: BrowsedMessage; delivery: TakenDelivery }[] = [];
    let lockedCount = 0;
    let lookedAt = 0;
    const cursor = await this.#readPage(place, { ...range, withBodies: true }, (stored) => {
      if (place.wasRemovedDuringReads(stored.position)) return;
      lookedAt++;
      const message = this.#browsed(queue, place, stored);
      if (!accept(message)) return;
      if (message.isLocked) lockedCount++;
      else taken.push({ message, delivery: new TakenDelivery(queue, place, stored, this.#deadlineSet) });
    });
    return { taken, lockedCount, lookedAt, ...cursor };
  }

  /** Reads until the page is full; `see` runs in one turn with the answer, so what it sees as free is free. */
  async #readPage(
    place: Place,
    range: BrowseRange,
    see: (message: StoredMessage) => void,
  ): Promise<{ lastPosition: number | undefined; isLast: boolean }> {
    let lastPosition: number | undefined;
    let isLast = false;
    await place.reading(
      () =>
        this.#store.readMessages({
          place: place.id,
          ...(range.afterPosition !== undefined && { afterPosition: range.afterPosition }),
          countMax: range.countMax,
          bytesMax: PAGE_BYTES,
          withBodies: range.withBodies === true,
        }),
      (page) => {
        for (const message of page.messages) {
          lastPosition = message.position;
          if (range.sequenceMax === undefined || sequenceOf(message.position) <= range.sequenceMax) see(message);
        }
        isLast = page.isLast;
      },
    );
    return { lastPosition, isLast };
  }

  #browsed(queue: Queue, place: Place, message: StoredMessage): BrowsedMessage {
    const headers = parseHeaders(message.headers);
    // The deadline of a waiting message is its expiry.
    const dueMs = place === queue.delayed ? message.deadlineMs : undefined;
    return {
      queue: queue.name,
      position: message.position,
      priority: queue.isOutgoing ? sentPriorityOf(message.headers) : priorityOf(message.position),
      headers,
      id: headers?.[Header.messageId] ?? `position:${message.position}`,
      bodyBytes: message.bodyBytes,
      body: message.body,
      isLocked: place.locked.has(message.position),
      dueMs: dueMs === undefined ? undefined : this.#wallMsOf(dueMs),
    };
  }
}

export interface BrowserOwner {
  deadlineSet(deadlineMs: number): void;
  wallMsOf(steadyMs: number): number;
}

const PAGE_BYTES = 1024 * 1024;

function placeOf(queue: Queue, kind: QueuePlaceKind = 'queue'): Place | undefined {
  switch (kind) {
    case 'queue':
      return queue.waiting;
    case 'delayed':
      return queue.delayed;
    case 'journal':
      return queue.journal;
    default:
      return kind satisfies never;
  }
}
