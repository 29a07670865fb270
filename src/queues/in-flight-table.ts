import type { SmallFile } from '../io/small-file.ts';
import { invariant } from '../message/posthorn-error.ts';
import { IN_FLIGHT_SLOTS_MAX } from './limits.ts';

/**
 * Which messages handlers run now, in a file that outlives the process (G-P6): written without sync, one slot a handler.
 * After an unclean end whoever stands in it was running when the process died.
 *
 * A slot is 16 bytes: place (u32), position (f64), and a check over both (u32), so that a torn or stale slot is seen.
 * A slot is written before its handler starts. It need not be cleared after a commit: its message is gone, and a slot
 * that names a missing message accuses nobody. It is cleared when a message goes back to its place.
 * Slot 0 holds the generation: how often the directory was opened (see open-state.ts).
 */
export class InFlightTable {
  readonly #file: SmallFile;
  readonly #slots = new DataView(new ArrayBuffer(IN_FLIGHT_SLOTS_MAX * SLOT_BYTES));
  readonly #free: number[] = [];
  /** Slot 0 names the generation. */
  #slotCount = 1;
  #dirtyFrom = Number.POSITIVE_INFINITY;
  #dirtyTo = -1;

  /** Begins a generation: what the file held before is wiped out. */
  constructor(file: SmallFile, generation: number) {
    this.#file = file;
    file.write(new Uint8Array(file.found.byteLength), 0);
    this.#set(0, GENERATION_MARK, generation);
    this.flush();
  }

  /** With no free slot nothing more may start; it would not be accounted for. */
  get hasFreeSlot(): boolean {
    return this.#free.length > 0 || this.#slotCount < IN_FLIGHT_SLOTS_MAX;
  }

  /** The slot that now names the message; written with the next `flush`. */
  enter(place: number, position: number): number {
    const slot = this.#free.pop() ?? this.#slotCount++;
    invariant(slot < IN_FLIGHT_SLOTS_MAX, 'a message is entered only while a slot is free');
    this.#set(slot, place, position);
    return slot;
  }

  /** The message of this slot was committed. */
  leave(slot: number): void {
    this.#free.push(slot);
  }

  /** The message of this slot went back to its place: it must not be blamed for a later death. */
  clear(slot: number): void {
    this.#set(slot, 0, 0);
    this.flush();
    this.#free.push(slot);
  }

  /** One write for all slots entered since the last. */
  flush(): void {
    if (this.#dirtyTo === -1) return;
    const from = this.#dirtyFrom * SLOT_BYTES;
    this.#file.write(new Uint8Array(this.#slots.buffer, from, (this.#dirtyTo + 1) * SLOT_BYTES - from), from);
    this.#dirtyFrom = Number.POSITIVE_INFINITY;
    this.#dirtyTo = -1;
  }

  /** A clean end: nothing was running. */
  remove(): void {
    this.#file.remove();
  }

  #set(slot: number, place: number, position: number): void {
    const offset = slot * SLOT_BYTES;
    this.#slots.setUint32(offset, place);
    this.#slots.setFloat64(offset + 4, position);
    this.#slots.setUint32(offset + 12, checkOf(place, position));
    if (slot < this.#dirtyFrom) this.#dirtyFrom = slot;
    if (slot > this.#dirtyTo) this.#dirtyTo = slot;
  }
}

const SLOT_BYTES = 16;
const GENERATION_MARK = 0xffff_ffff;

export const IN_FLIGHT_FILE_BYTES_MAX = IN_FLIGHT_SLOTS_MAX * SLOT_BYTES;

export interface InFlightMessage {
  readonly place: number;
  readonly position: number;
}

/** What a process left in its file; damaged and empty slots are passed over. */
export function readInFlight(found: Uint8Array): {
  readonly generation: number | undefined;
  readonly messages: readonly InFlightMessage[];
} {
  const view = new DataView(found.buffer, found.byteOffset, found.byteLength);
  const messages: InFlightMessage[] = [];
  let generation: number | undefined;
  for (let offset = 0; offset + SLOT_BYTES <= found.byteLength; offset += SLOT_BYTES) {
    const place = view.getUint32(offset);
    const position = view.getFloat64(offset + 4);
    if (place === 0 || !Number.isSafeInteger(position) || view.getUint32(offset + 12) !== checkOf(place, position))
      continue;
    if (place === GENERATION_MARK) generation = position;
    else messages.push({ place, position });
  }
  return { generation, messages };
}

/** A small mix of both numbers; it has to catch torn slots, not an enemy. */
function checkOf(place: number, position: number): number {
  const high = Math.floor(position / 2 ** 32);
  const low = position % 2 ** 32;
  return (
    (Math.imul(place ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(high + 1, 0xc2b2ae35) ^ Math.imul(low + 1, 0x27d4eb2f)) >>> 0
  );
}
