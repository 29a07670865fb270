import { crc32 } from 'node:zlib';
import { PRIORITY_MAX } from '../../message/limits.ts';
import {
  CRC_BYTES,
  DATA_FLAG_HAS_TIME,
  DATA_FLAG_POSSIBLE_DUPLICATE,
  DATA_HEAD_BYTES,
  ENTRY_HEAD_BYTES,
  TIME_BYTES,
  UINT48_MAX,
} from './encode-frame.ts';
import type { Data, DataMessage } from './frames.ts';
import { DATA_FRAME_MESSAGES_MAX, WIRE_HEADER_BYTES_MAX } from './limits.ts';
import { malformed } from './malformed-bytes.ts';

/**
 * A DATA frame from its payload. The messages' headers and bodies are parts of `payload`, which the caller must not use again.
 *
 * @throws {MalformedBytes} with what is wrong
 */
export function decodeData(payload: Uint8Array<ArrayBuffer>): Data {
  const end = payload.byteLength - CRC_BYTES;
  if (end < DATA_HEAD_BYTES) throw malformed(`DATA has ${payload.byteLength} bytes, fewer than an empty one`);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (crc32(payload.subarray(0, end)) !== view.getUint32(end)) {
    throw malformed(`DATA of ${payload.byteLength} bytes does not match its checksum`);
  }
  const channel = view.getUint32(0);
  const firstSeq = getUint48(view, 4);
  const acked = getUint48(view, 10);
  const count = view.getUint16(16);
  if (count === 0 || count > DATA_FRAME_MESSAGES_MAX) {
    throw malformed(`DATA claims ${count} messages, 1 to ${DATA_FRAME_MESSAGES_MAX} are allowed`);
  }
  if (firstSeq === 0 || firstSeq + count - 1 > UINT48_MAX || acked >= firstSeq) {
    throw malformed(`DATA has first sequence ${firstSeq} with ${count} messages and acked ${acked}`);
  }
  const entries = new EntryReader(payload, view, end);
  const messages: DataMessage[] = [];
  for (let index = 0; index < count; index++) messages.push(entries.next());
  if (entries.at !== end) throw malformed(`DATA has ${end - entries.at} bytes after its last message`);
  return { type: 'data', channel, firstSeq, acked, messages };
}

class EntryReader {
  at = DATA_HEAD_BYTES;
  readonly #payload: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;

  constructor(payload: Uint8Array, view: DataView, end: number) {
    this.#payload = payload;
    this.#view = view;
    this.#end = end;
  }

  next(): DataMessage {
    const head = this.#advance(ENTRY_HEAD_BYTES);
    const flags = this.#view.getUint8(head);
    const priority = this.#view.getUint8(head + 1);
    const headerBytes = this.#view.getUint32(head + 2);
    const bodyBytes = this.#view.getUint32(head + 6);
    if ((flags & ~FLAGS_KNOWN) !== 0) throw malformed(`DATA has a message with the flags ${flags}`);
    if (priority > PRIORITY_MAX) throw malformed(`DATA has a message with priority ${priority}`);
    if (headerBytes > WIRE_HEADER_BYTES_MAX) throw malformed(`DATA has a message with ${headerBytes} bytes of headers`);
    const hasTime = (flags & DATA_FLAG_HAS_TIME) !== 0;
    const timeToBeReceivedMs = hasTime ? this.#time() : undefined;
    const headersAt = this.#advance(headerBytes);
    const bodyAt = this.#advance(bodyBytes);
    return {
      headers: this.#payload.subarray(headersAt, bodyAt),
      body: this.#payload.subarray(bodyAt, this.at),
      priority,
      timeToBeReceivedMs,
      isPossibleDuplicate: (flags & DATA_FLAG_POSSIBLE_DUPLICATE) !== 0,
    };
  }

  #time(): number {
    const timeMs = this.#view.getFloat64(this.#advance(TIME_BYTES));
    if (Number.isFinite(timeMs) && timeMs >= 0) return timeMs;
    throw malformed(`DATA has a message with ${timeMs} ms to be received`);
  }

  #advance(byteCount: number): number {
    const start = this.at;
    this.at += byteCount;
    if (this.at <= this.#end) return start;
    throw malformed(`DATA ends ${this.at - this.#end} bytes before the end of a message`);
  }
}

const FLAGS_KNOWN = DATA_FLAG_HAS_TIME | DATA_FLAG_POSSIBLE_DUPLICATE;

function getUint48(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}
