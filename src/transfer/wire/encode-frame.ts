import { crc32 } from 'node:zlib';
import { invariant } from '../../message/posthorn-error.ts';
import { allocateUnfilled } from './byte-queue.ts';
import { FRAME_TYPES } from './frame-types.ts';
import type { Data, DataMessage, Frame, RefusedMessage } from './frames.ts';
import { CONTROL_FRAME_BYTES_MAX, DATA_FRAME_MESSAGES_MAX, TEXT_LENGTH_MAX } from './limits.ts';

/** The bytes of a frame, as frames.ts says. DATA is written in one allocation, headers and bodies are copied once. */
export function encodeFrame(frame: Frame): Uint8Array {
  return frame.type === 'data' ? encodeData(frame) : encodeControl(frame);
}

function encodeControl(frame: Exclude<Frame, Data>): Uint8Array {
  for (const textLengthMax of [TEXT_LENGTH_MAX, 200, 0]) {
    const { type, ...fields } = withShortTexts(frame, textLengthMax);
    const json = JSON.stringify(fields);
    const payloadBytes = Buffer.byteLength(json);
    if (payloadBytes > CONTROL_FRAME_BYTES_MAX) continue;
    const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payloadBytes);
    bytes.writeUInt32BE(1 + payloadBytes);
    bytes[4] = FRAME_TYPES[type].code;
    bytes.write(json, FRAME_HEAD_BYTES);
    return bytes;
  }
  invariant(false, `a frame '${frame.type}' fits into ${CONTROL_FRAME_BYTES_MAX} bytes`);
}

/** Texts are for people: a long one is cut rather than refused by the other side. */
function withShortTexts(frame: Exclude<Frame, Data>, lengthMax: number): Exclude<Frame, Data> {
  switch (frame.type) {
    case 'refused':
    case 'detached':
    case 'closing':
      return { ...frame, text: frame.text.slice(0, lengthMax) };
    case 'attached':
    case 'acked':
      return frame.refused.length === 0
        ? frame
        : { ...frame, refused: frame.refused.map((one) => cut(one, lengthMax)) };
    default:
      return frame;
  }
}

function cut(refused: RefusedMessage, lengthMax: number): RefusedMessage {
  return { ...refused, text: refused.text.slice(0, lengthMax) };
}

function encodeData(frame: Data): Uint8Array {
  const { messages } = frame;
  invariant(
    messages.length > 0 && messages.length <= DATA_FRAME_MESSAGES_MAX,
    `a DATA frame holds 1 to ${DATA_FRAME_MESSAGES_MAX} messages, not ${messages.length}`,
  );
  const payloadBytes = messages.reduce((sum, message) => sum + entryBytes(message), DATA_HEAD_BYTES + CRC_BYTES);
  const bytes = allocateUnfilled(FRAME_HEAD_BYTES + payloadBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 1 + payloadBytes);
  view.setUint8(4, FRAME_TYPES.data.code);
  view.setUint32(5, frame.channel);
  setUint48(view, 9, frame.firstSeq);
  setUint48(view, 15, frame.acked);
  view.setUint16(21, messages.length);
  let at = FRAME_HEAD_BYTES + DATA_HEAD_BYTES;
  for (const message of messages) at = writeEntry(bytes, view, at, message);
  view.setUint32(at, crc32(bytes.subarray(FRAME_HEAD_BYTES, at)));
  return bytes;
}

function entryBytes(message: DataMessage): number {
  const timeBytes = message.timeToBeReceivedMs === undefined ? 0 : TIME_BYTES;
  return ENTRY_HEAD_BYTES + timeBytes + message.headers.byteLength + message.body.byteLength;
}

function writeEntry(bytes: Uint8Array, view: DataView, start: number, message: DataMessage): number {
  const { headers, body, timeToBeReceivedMs } = message;
  const hasTime = timeToBeReceivedMs === undefined ? 0 : DATA_FLAG_HAS_TIME;
  view.setUint8(start, hasTime | (message.isPossibleDuplicate ? DATA_FLAG_POSSIBLE_DUPLICATE : 0));
  view.setUint8(start + 1, message.priority);
  view.setUint32(start + 2, headers.byteLength);
  view.setUint32(start + 6, body.byteLength);
  let at = start + ENTRY_HEAD_BYTES;
  if (timeToBeReceivedMs !== undefined) {
    view.setFloat64(at, timeToBeReceivedMs);
    at += TIME_BYTES;
  }
  bytes.set(headers, at);
  at += headers.byteLength;
  bytes.set(body, at);
  return at + body.byteLength;
}

function setUint48(view: DataView, at: number, value: number): void {
  invariant(Number.isSafeInteger(value) && value >= 0 && value <= UINT48_MAX, `${value} is a sequence of 48 bits`);
  view.setUint16(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 2, value >>> 0);
}

/** Length and type. */
export const FRAME_HEAD_BYTES = 5;
/** Channel, first sequence, acked, count. */
export const DATA_HEAD_BYTES = 4 + 6 + 6 + 2;
export const ENTRY_HEAD_BYTES = 1 + 1 + 4 + 4;
export const TIME_BYTES = 8;
export const CRC_BYTES = 4;
export const UINT48_MAX = 2 ** 48 - 1;
export const DATA_FLAG_HAS_TIME = 1;
export const DATA_FLAG_POSSIBLE_DUPLICATE = 2;
