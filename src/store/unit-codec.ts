import { InvariantBroken, invariant } from '../message/posthorn-error.ts';
import type { Operation, PlaceKind, Unit } from './store.ts';

/**
 * Packs units of work into one growing buffer, so that a group of them crosses to the worker as a single transferred
 * ArrayBuffer: an object and two buffers per message would cost more than storing it.
 *
 * Layout, little endian: per unit a u32 count of operations; per operation an u8 code and then, in this order, what the
 * code needs: places u16, positions, deadlines and sizes f64 (NaN: none), lengths u32, bytes. Text is UTF-8.
 */
export class UnitPacker {
  #buffer: ArrayBuffer;
  #view: DataView;
  #bytes: Buffer;
  #offset = 0;
  #unitCount = 0;
  readonly #spare: ArrayBuffer[] = [];

  constructor() {
    this.#buffer = new ArrayBuffer(FIRST_BUFFER_BYTES);
    this.#view = new DataView(this.#buffer);
    this.#bytes = Buffer.from(this.#buffer);
  }

  get unitCount(): number {
    return this.#unitCount;
  }

  /** Copies the unit and returns its packed size. When an operation is not valid, throws and takes nothing of the unit. */
  add(unit: Unit): number {
    const start = this.#offset;
    try {
      this.#reserve(4);
      this.#view.setUint32(start, unit.operations.length, true);
      this.#offset += 4;
      for (const operation of unit.operations) this.#addOperation(operation);
    } catch (error) {
      this.#offset = start;
      throw error;
    }
    this.#unitCount++;
    return this.#offset - start;
  }

  /** Takes out what was packed and begins anew. */
  take(): PackedUnits {
    const packed = { buffer: this.#buffer, byteCount: this.#offset, unitCount: this.#unitCount };
    this.#use(this.#spare.pop() ?? new ArrayBuffer(FIRST_BUFFER_BYTES));
    this.#offset = 0;
    this.#unitCount = 0;
    return packed;
  }

  /** Gives a buffer back for later use: a fresh one would be zeroed and collected for every group. */
  recycle(buffer: ArrayBuffer): void {
    if (this.#spare.length < 3 && buffer.byteLength <= SPARE_BUFFER_BYTES_MAX) this.#spare.push(buffer);
  }

  #use(buffer: ArrayBuffer): void {
    this.#buffer = buffer;
    this.#view = new DataView(buffer);
    this.#bytes = Buffer.from(buffer);
  }

  #reserve(byteCount: number): void {
    const needed = this.#offset + byteCount;
    if (needed <= this.#buffer.byteLength) return;
    let capacity = this.#buffer.byteLength * 2;
    while (capacity < needed) capacity *= 2;
    this.#use(this.#buffer.transfer(capacity));
  }

  #addOperation(operation: Operation): void {
    switch (operation.kind) {
      case 'put': {
        const { headers, body } = operation.message;
        const headerBytesMax = typeof headers === 'string' ? headers.length * 3 : headers.byteLength;
        this.#reserve(27 + headerBytesMax + body.byteLength);
        this.#addCode(CODE_PUT);
        this.#addPlaceAndPosition(operation.place, operation.position);
        this.#addNumber(operation.deadlineMs ?? Number.NaN);
        const lengthsAt = this.#offset;
        this.#offset += 8;
        this.#view.setUint32(lengthsAt, this.#addText(headers), true);
        this.#view.setUint32(lengthsAt + 4, body.byteLength, true);
        this.#bytes.set(body, this.#offset);
        this.#offset += body.byteLength;
        return;
      }
      case 'remove':
        this.#reserve(19);
        this.#addCode(CODE_REMOVE);
        this.#addPlaceAndPosition(operation.place, operation.position);
        this.#addNumber(operation.byteCount ?? Number.NaN);
        return;
      case 'move':
        this.#reserve(29);
        this.#addCode(CODE_MOVE);
        this.#addPlaceAndPosition(operation.place, operation.position);
        this.#addPlaceAndPosition(operation.toPlace, operation.toPosition);
        this.#addNumber(operation.deadlineMs ?? Number.NaN);
        return;
      case 'createPlace':
        this.#reserve(16 + operation.queue.length * 3);
        this.#addCode(CODE_CREATE_PLACE);
        this.#addPlaceAndPosition(operation.place, 0);
        this.#addCode(PLACE_KINDS.indexOf(operation.placeKind));
        this.#addLengthAndText(operation.queue);
        return;
      case 'setState':
        this.#reserve(9 + operation.key.length * 3 + operation.value.length * 3);
        this.#addCode(CODE_SET_STATE);
        this.#addLengthAndText(operation.key);
        this.#addLengthAndText(operation.value);
        return;
      case 'deleteState':
        this.#reserve(5 + operation.key.length * 3);
        this.#addCode(CODE_DELETE_STATE);
        this.#addLengthAndText(operation.key);
        return;
      case 'addToCounter':
        invariant(Number.isSafeInteger(operation.amount), `counter '${operation.key}' is changed by an integer`);
        this.#reserve(13 + operation.key.length * 3);
        this.#addCode(CODE_ADD_TO_COUNTER);
        this.#addNumber(operation.amount);
        this.#addLengthAndText(operation.key);
        return;
      default:
        operation satisfies never;
    }
  }

  #addCode(code: number): void {
    this.#view.setUint8(this.#offset++, code);
  }

  #addNumber(value: number): void {
    this.#view.setFloat64(this.#offset, value, true);
    this.#offset += 8;
  }

  #addPlaceAndPosition(place: number, position: number): void {
    // Written out: a text for every operation that is valid would cost more than the check.
    if (!(place >= 1 && place <= PLACE_MAX && Number.isInteger(place))) {
      throw new InvariantBroken(`place ${place} is in 1 to ${PLACE_MAX}`);
    }
    if (!(position >= 0 && position < POSITION_END && Number.isInteger(position))) {
      throw new InvariantBroken(`position ${position} is valid`);
    }
    this.#view.setUint16(this.#offset, place, true);
    this.#view.setFloat64(this.#offset + 2, position, true);
    this.#offset += 10;
  }

  #addLengthAndText(text: string): void {
    const lengthAt = this.#offset;
    this.#offset += 4;
    this.#view.setUint32(lengthAt, this.#addText(text), true);
  }

  /** Room must have been reserved. */
  #addText(text: string | Uint8Array): number {
    const start = this.#offset;
    if (typeof text === 'string') {
      this.#offset += this.#bytes.write(text, start);
    } else {
      this.#bytes.set(text, start);
      this.#offset += text.byteLength;
    }
    return this.#offset - start;
  }
}

export interface PackedUnits {
  readonly buffer: ArrayBuffer;
  readonly byteCount: number;
  readonly unitCount: number;
}

/** An operation as the engine takes it: as handed over, but headers are bytes and every one has its size. */
export type StoredOperation =
  | (Exclude<Operation, { kind: 'put' }> & { readonly message?: undefined })
  | {
      readonly kind: 'put';
      readonly place: number;
      readonly position: number;
      readonly deadlineMs: number | undefined;
      /** Headers directly followed by the body, as the checksum covers them. */
      readonly content: Uint8Array;
      readonly headerBytes: number;
    };

/** Unpacks units one after another. What it returns are views of the buffer. */
export class UnitReader {
  readonly #view: DataView;
  readonly #bytes: Buffer;
  #offset = 0;
  #unitsLeft: number;

  constructor(packed: PackedUnits) {
    this.#view = new DataView(packed.buffer);
    this.#bytes = Buffer.from(packed.buffer);
    this.#unitsLeft = packed.unitCount;
  }

  get unitsLeft(): number {
    return this.#unitsLeft;
  }

  /** Bytes read so far; tells the size of a unit. */
  get offset(): number {
    return this.#offset;
  }

  next(): StoredOperation[] {
    this.#unitsLeft--;
    const operations = new Array<StoredOperation>(this.#length());
    for (let index = 0; index < operations.length; index++) operations[index] = this.#operation();
    return operations;
  }

  #operation(): StoredOperation {
    const code = this.#view.getUint8(this.#offset++);
    switch (code) {
      case CODE_PUT: {
        const place = this.#place();
        const position = this.#number();
        const deadlineMs = this.#deadline();
        const headerBytes = this.#length();
        const contentBytes = headerBytes + this.#length();
        const content = this.#bytes.subarray(this.#offset, this.#offset + contentBytes);
        this.#offset += contentBytes;
        return { kind: 'put', place, position, deadlineMs, content, headerBytes };
      }
      case CODE_REMOVE:
        return { kind: 'remove', place: this.#place(), position: this.#number(), byteCount: this.#number() };
      case CODE_MOVE: {
        const [place, position, toPlace, toPosition] = [this.#place(), this.#number(), this.#place(), this.#number()];
        const deadlineMs = this.#deadline();
        return {
          kind: 'move',
          place,
          position,
          toPlace,
          toPosition,
          ...(deadlineMs === undefined ? {} : { deadlineMs }),
        };
      }
      case CODE_CREATE_PLACE: {
        const place = this.#place();
        this.#number();
        const placeKind = PLACE_KINDS[this.#view.getUint8(this.#offset++)];
        invariant(placeKind !== undefined, 'a packed place has a known kind');
        return { kind: 'createPlace', place, placeKind, queue: this.#text() };
      }
      case CODE_SET_STATE:
        return { kind: 'setState', key: this.#text(), value: this.#text() };
      case CODE_DELETE_STATE:
        return { kind: 'deleteState', key: this.#text() };
      default: {
        invariant(code === CODE_ADD_TO_COUNTER, `operation code ${code} is known`);
        const amount = this.#number();
        return { kind: 'addToCounter', key: this.#text(), amount };
      }
    }
  }

  #place(): number {
    const place = this.#view.getUint16(this.#offset, true);
    this.#offset += 2;
    return place;
  }

  #number(): number {
    const value = this.#view.getFloat64(this.#offset, true);
    this.#offset += 8;
    return value;
  }

  #deadline(): number | undefined {
    const value = this.#number();
    return Number.isNaN(value) ? undefined : value;
  }

  #length(): number {
    const length = this.#view.getUint32(this.#offset, true);
    this.#offset += 4;
    return length;
  }

  #text(): string {
    const length = this.#length();
    const start = this.#offset;
    this.#offset += length;
    return this.#bytes.toString('utf8', start, this.#offset);
  }
}

const CODE_PUT = 1;
const CODE_REMOVE = 2;
const CODE_MOVE = 3;
const CODE_CREATE_PLACE = 4;
const CODE_SET_STATE = 5;
const CODE_DELETE_STATE = 6;
const CODE_ADD_TO_COUNTER = 7;

const PLACE_KINDS: readonly PlaceKind[] = ['queue', 'delayed', 'journal', 'held'];
const PLACE_MAX = 32_767;
const POSITION_END = 2 ** 48;
const FIRST_BUFFER_BYTES = 64 * 1024;
const SPARE_BUFFER_BYTES_MAX = 1024 * 1024;
