import { Packr } from 'msgpackr';
import { MalformedFrame } from './errors.ts';
import { FRAME_BYTES_MAX } from './limits.ts';

/** A frame of the control socket: length of the rest (u32, big-endian), then one MessagePack value. */
export function encodeFrame(value: unknown): Uint8Array {
  const packed = packr.pack(value);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + packed.byteLength);
  frame.writeUInt32BE(packed.byteLength);
  frame.set(packed, LENGTH_BYTES);
  return frame;
}

/** Puts frames together again from the pieces in which their bytes arrive. Holds one frame at most. */
export class FrameDecoder {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #bytesWanted = LENGTH_BYTES;

  /**
   * The values of the frames that `piece` completes.
   *
   * @throws {MalformedFrame} when the bytes are not frames; nothing after that can be trusted
   */
  push(piece: Uint8Array): readonly unknown[] {
    this.#pieces.push(piece);
    this.#bytes += piece.byteLength;
    const values: unknown[] = [];
    while (this.#bytes >= this.#bytesWanted) {
      const all = Buffer.concat(this.#pieces);
      const frameBytes = lengthIn(all);
      if (all.byteLength < LENGTH_BYTES + frameBytes) {
        this.#keep(all, LENGTH_BYTES + frameBytes);
        break;
      }
      values.push(unpack(all.subarray(LENGTH_BYTES, LENGTH_BYTES + frameBytes)));
      this.#keep(all.subarray(LENGTH_BYTES + frameBytes), LENGTH_BYTES);
    }
    return values;
  }

  #keep(rest: Uint8Array, bytesWanted: number): void {
    this.#pieces = rest.byteLength === 0 ? [] : [rest];
    this.#bytes = rest.byteLength;
    this.#bytesWanted = bytesWanted;
  }
}

const LENGTH_BYTES = 4;
/** Plain MessagePack, nothing that makes classes. */
const packr = new Packr({ useRecords: false });

function lengthIn(bytes: Buffer): number {
  const length = bytes.readUInt32BE();
  if (length === 0 || length > FRAME_BYTES_MAX) {
    throw new MalformedFrame(`it claims ${length} bytes, a frame has 1 to ${FRAME_BYTES_MAX}`);
  }
  return length;
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch (error) {
    throw new MalformedFrame(error instanceof Error ? error.message : String(error));
  }
}
