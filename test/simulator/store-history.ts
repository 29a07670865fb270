import type { Operation, PlaceKind } from '../../src/store/store.ts';
import { readId } from './test-message.ts';

/**
 * What a store durably holds and once held, as told by the units that became durable: beside the real store, so that
 * checks can look at any moment, and be compared with the real one at the end.
 *
 * A store that goes back to a backup goes back here too (`copy`).
 */
export class StoreHistory {
  /** Which life of the directory: a lost, replaced or restored store is another. */
  readonly lineage: number;
  readonly places = new Map<number, PlaceView>();
  readonly state = new Map<string, string>();
  /** Arrivals at local queues in order of commit, by message. */
  readonly arrivals = new Map<number, Arrival[]>();
  /** Messages that were put into an outgoing queue here, with their latest position there. */
  readonly accepted = new Map<number, { readonly queue: string; position: number }>();
  readonly deadLettered = new Map<number, { readonly reason: string | undefined; count: number }>();
  /** How often the message was consumed. */
  readonly consumed = new Map<number, number>();
  /** Left an outgoing queue without a copy. */
  readonly removedOutgoing = new Set<number>();
  /** What this machine was told of its messages, by acknowledgement messages. */
  readonly acknowledgements = new Map<number, readonly string[]>();
  order = 0;

  constructor(lineage: number) {
    this.lineage = lineage;
  }

  /** As of now, for another life. */
  copy(lineage: number): StoreHistory {
    const copy = new StoreHistory(lineage);
    for (const [place, view] of this.places) copy.places.set(place, { ...view, content: new Map(view.content) });
    for (const [key, value] of this.state) copy.state.set(key, value);
    for (const [id, arrivals] of this.arrivals) copy.arrivals.set(id, [...arrivals]);
    for (const [id, accepted] of this.accepted) copy.accepted.set(id, { ...accepted });
    for (const [id, entry] of this.deadLettered) copy.deadLettered.set(id, { ...entry });
    for (const [id, count] of this.consumed) copy.consumed.set(id, count);
    for (const id of this.removedOutgoing) copy.removedOutgoing.add(id);
    for (const [id, classes] of this.acknowledgements) copy.acknowledgements.set(id, classes);
    copy.order = this.order;
    return copy;
  }

  placeOf(queue: string, kind: PlaceKind): PlaceView | undefined {
    for (const view of this.places.values()) if (view.queue === queue && view.kind === kind) return view;
    return undefined;
  }

  /** A unit became durable; the answer is what that means for messages. */
  apply(unit: ObservedUnit): UnitEffects {
    const effects: UnitEffects = { put: [], left: [], consumed: [] };
    for (const operation of unit) this.#applyOne(operation, effects);
    return effects;
  }

  #applyOne(operation: ObservedOperation, effects: UnitEffects): void {
    switch (operation.kind) {
      case 'createPlace':
        this.places.set(operation.place, {
          kind: operation.placeKind,
          queue: operation.queue,
          content: new Map(),
        });
        return;
      case 'setState':
        this.#setState(operation.key, operation.value, effects);
        return;
      case 'deleteState':
        this.state.delete(operation.key);
        return;
      case 'put':
        this.#put(operation.place, operation.position, operation.message, effects);
        return;
      case 'remove':
        this.#remove(operation.place, operation.position, effects);
        return;
      case 'move': {
        const message = this.#remove(operation.place, operation.position, effects);
        if (message !== undefined) this.#put(operation.toPlace, operation.toPosition, message, effects);
        return;
      }
      default:
        operation satisfies never;
    }
  }

  #setState(key: string, value: string, effects: UnitEffects): void {
    if (key.startsWith(EFFECT_PREFIX)) effects.consumed.push(Number(key.slice(EFFECT_PREFIX.length).split('/')[0]));
    else this.state.set(key, value);
  }

  #put(place: number, position: number, message: ObservedMessage, effects: UnitEffects): void {
    const view = this.places.get(place);
    if (view === undefined) return;
    view.content.set(position, message);
    const { acknowledgement } = message;
    if (acknowledgement !== undefined && view.queue === ACKNOWLEDGEMENTS) {
      const former = this.acknowledgements.get(acknowledgement.of) ?? [];
      this.acknowledgements.set(acknowledgement.of, [...former, acknowledgement.class]);
    }
    if (message.id !== undefined)
      effects.put.push({ ...message, id: message.id, queue: view.queue, kind: view.kind, position });
  }

  #remove(place: number, position: number, effects: UnitEffects): ObservedMessage | undefined {
    const view = this.places.get(place);
    const message = view?.content.get(position);
    if (view === undefined || message === undefined) return undefined;
    view.content.delete(position);
    if (message.id !== undefined)
      effects.left.push({ ...message, id: message.id, queue: view.queue, kind: view.kind, position });
    return message;
  }
}

/** The administration queue of every machine of the simulation. */
export const ACKNOWLEDGEMENTS = 'acknowledgements';

/** A consumer writes one of these in the unit that takes its message: `effect/MESSAGE/random`. */
export const EFFECT_PREFIX = 'effect/';

export interface PlaceView {
  readonly kind: PlaceKind;
  readonly queue: string;
  readonly content: Map<number, ObservedMessage>;
}

export interface ObservedMessage {
  /** Undefined: not of the workload. */
  readonly id: number | undefined;
  readonly isPossibleDuplicate: boolean;
  readonly deadLetterReason: string | undefined;
  readonly acknowledgement: { readonly of: number; readonly class: string } | undefined;
}

export interface MovedMessage extends ObservedMessage {
  readonly id: number;
  readonly queue: string;
  readonly kind: PlaceKind;
  readonly position: number;
}

export interface Arrival {
  readonly order: number;
  readonly isPossibleDuplicate: boolean;
  readonly atMs: number;
}

export interface UnitEffects {
  readonly put: MovedMessage[];
  readonly left: MovedMessage[];
  readonly consumed: number[];
}

export type ObservedOperation =
  | { readonly kind: 'put'; readonly place: number; readonly position: number; readonly message: ObservedMessage }
  | { readonly kind: 'remove'; readonly place: number; readonly position: number }
  | Extract<Operation, { kind: 'move' | 'createPlace' | 'setState' | 'deleteState' }>;
export type ObservedUnit = readonly ObservedOperation[];

/** Reads what matters of a unit at the moment at which it is handed over: its bytes may be reused afterwards. */
export function observe(operations: readonly Operation[]): ObservedUnit {
  const observed: ObservedOperation[] = [];
  for (const operation of operations) {
    if (operation.kind === 'addToCounter') continue;
    if (operation.kind !== 'put') {
      observed.push(operation);
      continue;
    }
    const { place, position, message } = operation;
    observed.push({ kind: 'put', place, position, message: observeMessage(message.headers, message.body) });
  }
  return observed;
}

export function observeMessage(headers: string | Uint8Array, body: Uint8Array): ObservedMessage {
  const text = typeof headers === 'string' ? headers : Buffer.from(headers).toString();
  return {
    id: readId(body),
    isPossibleDuplicate: text.includes('Posthorn.PossibleDuplicate'),
    acknowledgement: acknowledgementIn(text),
    deadLetterReason: /"Posthorn\.DeadLetterReason":"([^"]*)"/.exec(text)?.[1],
  };
}

function acknowledgementIn(text: string): ObservedMessage['acknowledgement'] {
  const what = /"Posthorn\.Acknowledgement":"([A-Z_]+)"/.exec(text)?.[1];
  const of = /"NServiceBus\.CorrelationId":"simulated-(\d+)"/.exec(text)?.[1];
  return what === undefined || of === undefined ? undefined : { of: Number(of), class: what };
}
