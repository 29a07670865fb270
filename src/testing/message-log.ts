import { Header, type Headers } from '../message/headers.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import type { Operation, PlaceKind, Store, Unit } from '../store/store.ts';
import { TRANSACTION_PREFIX, type TransactionRecord } from '../transactions/transaction-record.ts';
import { bodyOf, type SpiedMessage, typeOf } from './spied-message.ts';

/**
 * Everything that was ever sent on a test machine, read from the units that became durable, and where each message is
 * now. It outlives crashes: what a test asks about is the whole story and not what one process knows.
 *
 * A message is logged when its id first appears in a queue; a send that is held for a transaction, when it is released.
 * Retries, deferrals and moves to the error queue carry the same id.
 */
export class MessageLog {
  /** Of every message, in the order in which they became durable. */
  readonly #byId = new Map<string, LoggedMessage>();
  readonly #queueOfPlace = new Map<number, string>();
  /** Where a queue's messages wait. */
  readonly #placeOfQueue = new Map<string, number>();
  /** Ids of the messages that are in a queue now, by place and position. */
  readonly #idAt = new Map<string, string>();
  #heldPlace: number | undefined;
  /** Held sends, by place and position. */
  readonly #heldAt = new Map<string, { readonly headers: Headers; readonly body: Uint8Array }>();

  messages(): readonly SpiedMessage[] {
    return [...this.#byId.values()];
  }

  find(messageId: string): SpiedMessage | undefined {
    return this.#byId.get(messageId);
  }

  /**
   * Reads what a new process finds. A message whose sender died before it heard of the commit is seen here first.
   */
  async readFrom(store: Store): Promise<void> {
    this.#idAt.clear();
    this.#heldAt.clear();
    for (const { place, kind, queue } of store.opened.places) {
      this.#placeKnown(place, kind, queue);
      let afterPosition: number | undefined;
      for (let isLast = false; !isLast; ) {
        const range = { place, countMax: 500, bytesMax: 1_000_000, withBodies: true };
        const page = await store.readMessages(afterPosition === undefined ? range : { ...range, afterPosition });
        for (const { position, headers, body } of page.messages) {
          const read = parseHeaders(headers);
          if (read !== undefined && body !== undefined) this.#put(place, position, read, body);
          afterPosition = position;
        }
        isLast = page.isLast;
      }
    }
  }

  /** Of the messages that the unit takes out of queues: queue and message id. */
  removalsOf(unit: Unit): { readonly queue: string; readonly messageId: string }[] {
    return unit.operations.flatMap((operation) => {
      if (operation.kind !== 'remove' && operation.kind !== 'move') return [];
      const queue = this.#queueOfPlace.get(operation.place);
      const messageId = this.#idAt.get(keyOf(operation.place, operation.position));
      return queue === undefined || messageId === undefined ? [] : [{ queue, messageId }];
    });
  }

  /** Of the messages that the unit stages, so that a database decides about them: queue and message id. */
  stagedIn(unit: Unit): { readonly queue: string; readonly messageId: string }[] {
    return unit.operations.flatMap((operation) => {
      if (operation.kind !== 'setState' || !operation.key.startsWith(TRANSACTION_PREFIX)) return [];
      const { parts } = JSON.parse(operation.value) as TransactionRecord; // as the coordinator has just written it
      return parts.flatMap((part) => {
        const place = part.kind === 'input' ? this.#placeOfQueue.get(part.queue) : undefined;
        if (part.kind !== 'input' || place === undefined) return [];
        const messageId = this.#idAt.get(keyOf(place, part.position));
        return messageId === undefined ? [] : [{ queue: part.queue, messageId }];
      });
    });
  }

  /** Of the messages that the unit puts into queues: message id and headers. */
  putsOf(unit: Unit): { readonly messageId: string; readonly headers: Headers }[] {
    return unit.operations.flatMap((operation) => {
      const headers = operation.kind === 'put' ? headersOf(operation.message.headers) : undefined;
      const messageId = headers?.[Header.messageId];
      return headers === undefined || messageId === undefined ? [] : [{ messageId, headers }];
    });
  }

  /** The unit is durable. */
  committed(unit: Unit): void {
    for (const operation of unit.operations) this.#apply(operation);
  }

  #apply(operation: Operation): void {
    switch (operation.kind) {
      case 'put': {
        const headers = headersOf(operation.message.headers);
        if (headers !== undefined) this.#put(operation.place, operation.position, headers, operation.message.body);
        return;
      }
      case 'remove': {
        const key = keyOf(operation.place, operation.position);
        this.#idAt.delete(key);
        this.#heldAt.delete(key);
        return;
      }
      case 'move': {
        const from = keyOf(operation.place, operation.position);
        const held = this.#heldAt.get(from);
        if (held !== undefined) this.#put(operation.toPlace, operation.toPosition, held.headers, held.body);
        if (this.#heldAt.delete(from)) return;
        const messageId = this.#idAt.get(from);
        this.#idAt.delete(from);
        if (messageId !== undefined) this.#idAt.set(keyOf(operation.toPlace, operation.toPosition), messageId);
        return;
      }
      case 'createPlace':
        this.#placeKnown(operation.place, operation.placeKind, operation.queue);
        return;
      case 'setState':
      case 'deleteState':
      case 'addToCounter':
        return;
      default:
        operation satisfies never;
    }
  }

  #placeKnown(place: number, kind: PlaceKind, queue: string): void {
    if (kind === 'held') this.#heldPlace = place;
    else this.#queueOfPlace.set(place, queue);
    if (kind === 'queue') this.#placeOfQueue.set(queue, place);
  }

  #put(place: number, position: number, headers: Headers, body: Uint8Array): void {
    if (place === this.#heldPlace) {
      this.#heldAt.set(keyOf(place, position), { headers, body });
      return;
    }
    const messageId = headers[Header.messageId];
    if (messageId === undefined) return;
    this.#idAt.set(keyOf(place, position), messageId);
    const queue = this.#queueOfPlace.get(place) ?? '';
    const known = this.#byId.get(messageId);
    if (known === undefined) {
      this.#byId.set(messageId, logged(messageId, headers, body, queue));
    } else if (known.isOpen(headers) && !known.to.includes(queue) && queue !== PUBLISHED_SPY_QUEUE) {
      known.to.push(queue);
    }
  }
}

/** Hears of every event, so that a test sees those that nobody subscribed to. */
export const PUBLISHED_SPY_QUEUE = 'posthorn-test-published';

interface LoggedMessage extends SpiedMessage {
  readonly to: string[];
  /** True for the copies of one publish, false for what became of a message later. */
  isOpen(headers: Headers): boolean;
}

function logged(messageId: string, headers: Headers, body: Uint8Array, queue: string): LoggedMessage {
  const sentAt = headers[Header.timeSent];
  return {
    messageId,
    type: typeOf(headers),
    intent: intentOf(headers),
    body: bodyOf(headers, body),
    headers,
    from: headers[Header.originatingEndpoint] ?? '',
    to: queue === PUBLISHED_SPY_QUEUE ? [] : [queue],
    isOpen: (later) =>
      intentOf(headers) === 'publish' && later[Header.timeSent] === sentAt && later[Header.failedQueue] === undefined,
  };
}

function intentOf(headers: Headers): SpiedMessage['intent'] {
  switch (headers[Header.messageIntent]) {
    case 'Publish':
      return 'publish';
    case 'Reply':
      return 'reply';
    case 'Subscribe':
      return 'subscribe';
    case 'Unsubscribe':
      return 'unsubscribe';
    default:
      return 'send';
  }
}

function headersOf(stored: string | Uint8Array): Headers | undefined {
  return parseHeaders(typeof stored === 'string' ? Buffer.from(stored) : stored);
}

function keyOf(place: number, position: number): string {
  return `${place}/${position}`;
}
