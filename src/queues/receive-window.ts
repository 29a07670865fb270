import { invariant } from '../message/posthorn-error.ts';
import { WINDOW_BYTES_MAX, WINDOW_MESSAGES_MAX } from './limits.ts';

/**
 * The part of a queue that is held in memory for its receivers: ready messages in ascending position.
 *
 * Invariants
 * - Every committed message at or below `readUpTo` is in the window, locked, or gone; the store need not be asked for it.
 * - `isAtEnd` means that the same holds for every committed message: nothing waits in the store beyond the window.
 * - Count and bytes stay within their limits; when they would not, the tail is forgotten and `readUpTo` falls back.
 *
 * Pure data: it neither reads nor locks. `Queue` does both.
 */
export class ReceiveWindow {
  #entries: WindowEntry[] = [];
  /** Entries before this index were taken; they are cut off in blocks, because shifting an array one by one is slow. */
  #head = 0;
  #bytes = 0;
  #readUpTo = -1;
  #isAtEnd = false;

  get length(): number {
    return this.#entries.length - this.#head;
  }

  get readUpTo(): number {
    return this.#readUpTo;
  }

  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  first(): WindowEntry | undefined {
    return this.#entries[this.#head];
  }

  takeFirst(): WindowEntry | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head++;
    this.#bytes -= bytesOf(entry);
    if (this.#head === this.#entries.length) {
      this.#entries.length = 0;
      this.#head = 0;
    } else if (this.#head >= CUT_OFF_AT) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    return entry;
  }

  /** A message became visible: it was committed just now, or given back. */
  arrived(entry: WindowEntry): void {
    if (entry.position > this.#readUpTo) {
      if (!this.#isAtEnd) return;
      this.#readUpTo = entry.position;
    }
    this.#insert(entry);
    this.#keepWithinLimits();
  }

  /** A message became visible whose bytes are not at hand: it must be read from the store. */
  arrivedUnread(position: number): void {
    this.#isAtEnd = false;
    if (position <= this.#readUpTo) this.#forgetFrom(position);
  }

  /** The result of a read after `readUpTo`; entries ascend and none of them is locked or gone. */
  readFrom(entries: readonly WindowEntry[], readUpTo: number, isAtEnd: boolean): void {
    for (const entry of entries) this.#insert(entry);
    this.#readUpTo = Math.max(this.#readUpTo, readUpTo);
    this.#isAtEnd = isAtEnd;
    this.#keepWithinLimits();
  }

  /** Takes one message out of the window, wherever it stands; false when it is not there. */
  remove(position: number): boolean {
    const index = this.#indexOf(position);
    const entry = this.#entries[index];
    if (entry === undefined || entry.position !== position) return false;
    this.#entries.splice(index, 1);
    this.#bytes -= bytesOf(entry);
    return true;
  }

  /** Forgets everything: the store will be read from the beginning. */
  reset(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#readUpTo = -1;
    this.#isAtEnd = false;
  }

  #insert(entry: WindowEntry): void {
    const last = this.#entries.at(-1);
    if (this.length === 0 || last === undefined || last.position < entry.position) {
      this.#entries.push(entry);
    } else {
      const index = this.#indexOf(entry.position);
      invariant(this.#entries[index]?.position !== entry.position, `position ${entry.position} is in the window once`);
      this.#entries.splice(index, 0, entry);
    }
    this.#bytes += bytesOf(entry);
  }

  /** Index of the first entry at or after `position`. */
  #indexOf(position: number): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.position ?? Number.POSITIVE_INFINITY) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #keepWithinLimits(): void {
    while (this.length > 1 && (this.length > WINDOW_MESSAGES_MAX || this.#bytes > WINDOW_BYTES_MAX)) {
      const last = this.#entries.at(-1);
      if (last !== undefined) this.#forgetFrom(last.position);
    }
  }

  #forgetFrom(position: number): void {
    const index = this.#indexOf(position);
    for (const entry of this.#entries.splice(index)) this.#bytes -= bytesOf(entry);
    this.#readUpTo = position - 1;
    this.#isAtEnd = false;
  }
}

/** Those who were taken are held no longer than that: what is held for long costs the collector more than the cutting. */
const CUT_OFF_AT = 64;

export interface WindowEntry {
  readonly position: number;
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  /** Steady time after which the message has expired. */
  readonly deadlineMs: number | undefined;
  readonly isDamaged: boolean;
}

function bytesOf(entry: WindowEntry): number {
  return entry.headers.byteLength + entry.body.byteLength;
}
