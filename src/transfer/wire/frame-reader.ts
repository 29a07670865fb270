import { ByteQueue } from './byte-queue.ts';
import { type ControlType, decodeControl } from './decode-control.ts';
import { decodeData } from './decode-data.ts';
import { FRAME_HEAD_BYTES } from './encode-frame.ts';
import { type FrameType, frameTypeOf } from './frame-types.ts';
import type { Frame } from './frames.ts';
import { MalformedBytes, malformed } from './malformed-bytes.ts';

/**
 * Makes frames of bytes, however they are cut. Push what arrived, then call `next` until it answers undefined.
 *
 *     reading ──next() throws──▶ over: the bytes are not ours, nothing after them can be trusted
 *
 * Invariants
 * - What is wrong is told as soon as it can be known: a length at its fourth byte, a type that is not awaited at its fifth.
 * - Memory follows what has arrived, never what was announced; it is at most twice a frame of the limit, plus what was
 *   pushed last.
 * - A frame that was given out shares no memory with what was pushed.
 */
export class FrameReader {
  readonly #bytes = new ByteQueue();
  #limits: ReaderLimits;
  #failure: MalformedBytes | undefined;

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
  }

  /** For the frames that follow those already given. */
  set limits(limits: ReaderLimits) {
    this.#limits = limits;
  }

  /** Memory that is kept for bytes that were not given out. */
  get heldBytes(): number {
    return this.#bytes.heldBytes;
  }

  /** True when it holds the beginning of a frame. */
  get isWithinFrame(): boolean {
    return this.#bytes.length > 0;
  }

  /** `bytes` must not change any more. */
  push(bytes: Uint8Array): void {
    if (this.#failure === undefined) this.#bytes.append(bytes);
  }

  /**
   * The next whole frame; undefined: it needs more bytes.
   *
   * @throws {MalformedBytes} with what is wrong; the same again when called again
   */
  next(): Frame | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#read();
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.#failure = error;
      this.#bytes.skip(this.#bytes.length);
      throw error;
    }
  }

  #read(): Frame | undefined {
    const arrived = this.#bytes.length;
    if (arrived < LENGTH_BYTES) return this.#wait(FRAME_HEAD_BYTES - arrived);
    const length = this.#readLength();
    if (arrived < FRAME_HEAD_BYTES) return this.#wait(LENGTH_BYTES + length - arrived);
    const type = this.#readType(length);
    if (arrived < LENGTH_BYTES + length) return this.#wait(LENGTH_BYTES + length - arrived);
    this.#bytes.skip(FRAME_HEAD_BYTES);
    if (type === 'data') return decodeData(this.#bytes.takeCopy(length - 1));
    return decodeControl(type, this.#bytes.takeView(length - 1));
  }

  #wait(bytesExpected: number): undefined {
    this.#bytes.settle(bytesExpected);
  }

  #readLength(): number {
    const { controlBytesMax, dataBytesMax } = this.#limits;
    const length =
      ((this.#bytes.byteAt(0) << 24) |
        (this.#bytes.byteAt(1) << 16) |
        (this.#bytes.byteAt(2) << 8) |
        this.#bytes.byteAt(3)) >>>
      0;
    const lengthMax = 1 + Math.max(controlBytesMax, dataBytesMax);
    if (length > 0 && length <= lengthMax) return length;
    throw malformed(`a frame announces ${length} bytes, 1 to ${lengthMax} are allowed`);
  }

  #readType(length: number): ControlType | 'data' {
    const code = this.#bytes.byteAt(LENGTH_BYTES);
    const type = frameTypeOf(code);
    if (type === undefined) throw malformed(`a frame has the unknown type ${code}`);
    if (!this.#limits.accepts.has(type)) throw malformed(`${type.toUpperCase()} is not awaited here`);
    const payloadMax = type === 'data' ? this.#limits.dataBytesMax : this.#limits.controlBytesMax;
    if (length - 1 <= payloadMax) return type;
    throw malformed(`${type.toUpperCase()} announces ${length - 1} bytes, at most ${payloadMax} are allowed`);
  }
}

export interface ReaderLimits {
  readonly accepts: ReadonlySet<FrameType>;
  /** Payloads, at most. */
  readonly controlBytesMax: number;
  readonly dataBytesMax: number;
}

const LENGTH_BYTES = 4;
