import { invariant } from '../message/posthorn-error.ts';
import type { PlaceKind, Store } from '../store/store.ts';
import { QueueNotFound, TooManyQueues } from './errors.ts';
import { PLACE_COUNT_MAX } from './limits.ts';
import { EXPIRED_PREFIX, type OpenState, SETTINGS_PREFIX } from './open-state.ts';
import { Place } from './place.ts';
import { Queue } from './queue.ts';
import type { QueueSettings, QueueStatus } from './queue-status.ts';

/** All queues of one queue manager, by name, and the making of new ones. */
export class QueueSet {
  readonly #store: Store;
  readonly #queues = new Map<string, Queue>();
  readonly #byPlace = new Map<number, Queue>();
  /** Places being made, so that two senders of one new queue make it once. */
  readonly #making = new Map<string, Promise<Place>>();
  /** Queues whose places are handed over to the store and not answered; units handed over from now on may use them. */
  readonly #coming = new Map<string, Queue>();
  readonly #owner: QueueSetOwner;
  #held: Place | undefined;
  #nextPlace: number;

  constructor(store: Store, state: OpenState, owner: QueueSetOwner) {
    this.#store = store;
    this.#owner = owner;
    // Queues first: a delayed or journal place joins the queue it belongs to.
    const places = store.opened.places.map((found) => new Place(found));
    for (const place of places.filter(({ kind }) => kind === 'queue')) this.#add(place);
    for (const place of places.filter(({ kind }) => kind !== 'queue')) this.#add(place);
    this.#nextPlace = 1 + Math.max(0, ...places.map(({ id }) => id));
    for (const [name, settings] of state.settings) this.#set(name, settings);
    for (const [name, count] of state.expired) this.#countExpired(name, count);
    for (const { place, position, counts } of state.attempts) this.#byPlace.get(place)?.attempts.set(position, counts);
  }

  get(name: string): Queue | undefined {
    return this.#queues.get(name);
  }

  /** @throws {QueueNotFound} naming the nearest that exists */
  require(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new QueueNotFound(name, [...this.#queues.keys()]);
    return queue;
  }

  ofPlace(place: number): Queue | undefined {
    return this.#byPlace.get(place);
  }

  all(): Iterable<Queue> {
    return this.#queues.values();
  }

  /** The queue, made when it does not exist. */
  async ensure(name: string): Promise<Queue> {
    if (!this.#queues.has(name)) await this.#ensurePlace(name, 'queue');
    return this.require(name);
  }

  /**
   * The queue, made when it does not exist, for a unit that is handed over after this call: units take effect in order, so
   * the queue is there before what the unit puts into it. Should the store refuse to make it, it refuses that unit too.
   *
   * @throws {TooManyQueues} the store can number no more
   */
  ensureNow(name: string): Queue {
    const known = this.#queues.get(name) ?? this.#coming.get(name);
    if (known !== undefined) return known;
    if (this.#nextPlace > PLACE_COUNT_MAX) throw new TooManyQueues(name, PLACE_COUNT_MAX);
    this.#ensurePlace(name, 'queue').catch((error: unknown) => this.#owner.notMade(name, error));
    const coming = this.#coming.get(name);
    invariant(coming !== undefined, `queue '${name}' is on its way to the store`);
    return coming;
  }

  async ensureDelayed(queue: Queue): Promise<void> {
    if (queue.delayed === undefined) await this.#ensurePlace(queue.name, 'delayed');
  }

  async ensureHeld(): Promise<void> {
    if (this.#held === undefined) await this.#ensurePlace('', 'held');
  }

  /** The place of held sends. It is no queue: no receiver, no verb and no deadline knows it. */
  heldPlace(): number {
    invariant(this.#held !== undefined, 'the place of held sends is made before a transaction holds any');
    return this.#held.id;
  }

  async configure(queue: Queue, settings: QueueSettings): Promise<void> {
    if (settings.journal === true && queue.journal === undefined) await this.#ensurePlace(queue.name, 'journal');
    const key = SETTINGS_PREFIX + queue.name;
    await this.#store.commit({ operations: [{ kind: 'setState', key, value: JSON.stringify(settings) }] });
    queue.settings = settings;
  }

  async #ensurePlace(queue: string, kind: PlaceKind): Promise<Place> {
    const key = `${kind}/${queue}`;
    const underWay = this.#making.get(key);
    if (underWay !== undefined) return underWay;
    const making = this.#make(queue, kind).finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    return making;
  }

  async #make(queue: string, kind: PlaceKind): Promise<Place> {
    const id = this.#nextPlace++;
    if (id > PLACE_COUNT_MAX) throw new TooManyQueues(queue, PLACE_COUNT_MAX);
    const place = new Place({ place: id, kind, queue, messageCount: 0, byteCount: 0 });
    if (kind === 'queue') this.#coming.set(queue, new Queue(queue, place, this.#store));
    try {
      await this.#store.commit({ operations: [{ kind: 'createPlace', place: id, placeKind: kind, queue }] });
      this.#add(place);
    } finally {
      if (kind === 'queue') this.#coming.delete(queue);
    }
    return place;
  }

  #add(place: Place): void {
    if (place.kind === 'held') {
      this.#held = place;
      return;
    }
    if (place.kind === 'queue') {
      const made = this.#coming.get(place.queue) ?? new Queue(place.queue, place, this.#store);
      this.#queues.set(place.queue, made);
      if (made.isOutgoing) this.#owner.outgoingFound(made);
    }
    const queue = this.require(place.queue);
    if (place.kind === 'delayed') queue.delayed = place;
    if (place.kind === 'journal') queue.journal = place;
    this.#byPlace.set(place.id, queue);
  }

  #set(name: string, settings: QueueSettings): void {
    const queue = this.#queues.get(name);
    if (queue !== undefined) queue.settings = settings;
  }

  #countExpired(name: string, count: number): void {
    const queue = this.#queues.get(name);
    if (queue !== undefined) queue.expired = count;
  }
}

export interface QueueSetOwner {
  /** An outgoing queue is there: at open, and later when one is made. */
  outgoingFound(queue: Queue): void;
  /** A queue could not be made that nobody waits for; the units that needed it were refused. */
  notMade(queue: string, error: unknown): void;
}

export function expiredCounterKey(queue: Queue): string {
  return EXPIRED_PREFIX + queue.name;
}

export function statusOf(queue: Queue): QueueStatus {
  return {
    queue: queue.name,
    messages: queue.waiting.messages,
    bytes: queue.waiting.bytes,
    inFlight: queue.waiting.locked.size,
    delayed: queue.delayed?.messages ?? 0,
    delayedBytes: queue.delayed?.bytes ?? 0,
    journaled: queue.journal?.messages ?? 0,
    quotaMessages: queue.settings.quotaMessages,
    quotaBytes: queue.settings.quotaBytes,
    journal: queue.settings.journal === true,
    acceptFrom: queue.settings.acceptFrom,
    expired: queue.expired,
    receivers: queue.receivers,
  };
}
