/**
 * Bytes that have arrived and were not taken yet, in the pieces in which they came.
 *
 * What waits for the rest of a frame is held in memory of about its own size: a large piece stands as it came, a small one,
 * or a small part of a large one, is copied together with its neighbours. So bytes that come one at a time cost one
 * byte each, and the beginning of a frame does not keep the whole socket buffer in which it came.
 */
export class ByteQueue {
  readonly #pieces: Uint8Array[] = [];
  /** Bytes of the first piece that were taken. */
  #taken = 0;
  #length = 0;
  /** The last piece is as it came: `settle` has not looked at it. */
  #isFresh = false;
  /** The memory of the last settled piece, when it is a copy of ours. */
  #own: Uint8Array | undefined;

  /** Bytes that can be taken. */
  get length(): number {
    return this.#length;
  }

  /** Memory that is kept: at most twice what has arrived, once it is settled. */
  get heldBytes(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.buffer.byteLength, 0);
  }

  /** `piece` is not copied before `settle`. */
  append(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    this.settle(0);
    this.#pieces.push(piece);
    this.#length += piece.byteLength;
    this.#isFresh = true;
  }

  /** The byte at `index` from the front; 0 beyond the end. */
  byteAt(index: number): number {
    let at = index + this.#taken;
    for (const piece of this.#pieces) {
      if (at < piece.byteLength) return piece[at] ?? 0;
      at -= piece.byteLength;
    }
    return 0;
  }

  /** The first `count` bytes, where possible without a copy: good for this turn only. */
  takeView(count: number): Uint8Array {
    const first = this.#pieces[0];
    if (first === undefined || first.byteLength - this.#taken < count) return this.takeCopy(count);
    const view = first.subarray(this.#taken, this.#taken + count);
    this.skip(count);
    return view;
  }

  /** The first `count` bytes, in memory of their own. */
  takeCopy(count: number): Uint8Array<ArrayBuffer> {
    const copy = allocateUnfilled(count);
    let filled = 0;
    let from = this.#taken;
    for (const piece of this.#pieces) {
      const part = piece.subarray(from, from + count - filled);
      copy.set(part, filled);
      filled += part.byteLength;
      from = 0;
      if (filled === count) break;
    }
    this.skip(count);
    return copy;
  }

  skip(count: number): void {
    this.#length -= count;
    this.#taken += count;
    for (let first = this.#pieces[0]; first !== undefined; first = this.#pieces[0]) {
      if (this.#taken < first.byteLength) return;
      this.#taken -= first.byteLength;
      this.#pieces.shift();
    }
    this.#isFresh = false;
    this.#own = undefined;
  }

  /**
   * Makes what is left stand by itself, when nothing more can be taken for now.
   *
   * @param bytesExpected - bytes still to come that belong together with it: no room is made for more
   */
  settle(bytesExpected: number): void {
    if (!this.#isFresh) return;
    this.#isFresh = false;
    let rest = this.#popRest();
    if (rest.byteLength >= SMALL_BYTES && rest.byteLength * 2 >= rest.buffer.byteLength) {
      this.#pieces.push(rest);
      this.#own = undefined;
      return;
    }
    rest = this.#fillOwn(rest);
    if (rest.byteLength === 0) return;
    const own = allocateUnfilled(rest.byteLength + Math.min(bytesExpected, SMALL_BYTES));
    own.set(rest);
    this.#pieces.push(own.subarray(0, rest.byteLength));
    this.#own = own;
  }

  #popRest(): Uint8Array {
    const last = this.#pieces.pop() ?? new Uint8Array(0);
    if (this.#pieces.length > 0) return last;
    const rest = last.subarray(this.#taken);
    this.#taken = 0;
    return rest;
  }

  /** Copies what fits into the room after the last piece; returns what did not. */
  #fillOwn(rest: Uint8Array): Uint8Array {
    const own = this.#own;
    const last = this.#pieces.at(-1);
    if (own === undefined || last === undefined || last.buffer !== own.buffer) return rest;
    const fitting = rest.subarray(0, own.byteLength - last.byteLength);
    own.set(fitting, last.byteLength);
    this.#pieces[this.#pieces.length - 1] = own.subarray(0, last.byteLength + fitting.byteLength);
    return rest.subarray(fitting.byteLength);
  }
}

/** Below this, copying costs less than holding. */
const SMALL_BYTES = 4096;

/** Memory whose former contents are overwritten at once by the caller. */
export function allocateUnfilled(byteCount: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(byteCount).buffer as ArrayBuffer, 0, byteCount);
}
