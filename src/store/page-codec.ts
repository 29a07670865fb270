import type { StoredMessage } from './store.ts';

/**
 * Packs a page of messages into one buffer for the way from the worker; unpacked messages are views of it.
 *
 * Layout, little endian, per message: place u16, flags u8 (1 damaged, 2 with body), position f64, deadline f64 (NaN: none),
 * length of headers u32, of the body u32; after all of these the bytes, in the same order.
 */
export function packMessages(messages: readonly StoredMessage[]): ArrayBuffer {
  let byteCount = messages.length * ENTRY_BYTES;
  for (const message of messages) byteCount += message.headers.byteLength + (message.body?.byteLength ?? 0);
  const bytes = new Uint8Array(byteCount);
  const view = new DataView(bytes.buffer);
  let entryAt = 0;
  let bytesAt = messages.length * ENTRY_BYTES;
  for (const message of messages) {
    view.setUint16(entryAt, message.place, true);
    view.setUint8(entryAt + 2, (message.damaged ? DAMAGED : 0) | (message.body === undefined ? 0 : WITH_BODY));
    view.setFloat64(entryAt + 3, message.position, true);
    view.setFloat64(entryAt + 11, message.deadlineMs ?? Number.NaN, true);
    view.setUint32(entryAt + 19, message.headers.byteLength, true);
    view.setUint32(entryAt + 23, message.body?.byteLength ?? message.bodyBytes, true);
    entryAt += ENTRY_BYTES;
    bytes.set(message.headers, bytesAt);
    bytesAt += message.headers.byteLength;
    if (message.body !== undefined) {
      bytes.set(message.body, bytesAt);
      bytesAt += message.body.byteLength;
    }
  }
  return bytes.buffer;
}

export function unpackMessages(buffer: ArrayBuffer, count: number): StoredMessage[] {
  const view = new DataView(buffer);
  const messages = new Array<StoredMessage>(count);
  let bytesAt = count * ENTRY_BYTES;
  const take = (byteCount: number): Uint8Array => {
    const bytes = new Uint8Array(buffer, bytesAt, byteCount);
    bytesAt += byteCount;
    return bytes;
  };
  for (let index = 0; index < count; index++) {
    const entryAt = index * ENTRY_BYTES;
    const flags = view.getUint8(entryAt + 2);
    const deadline = view.getFloat64(entryAt + 11, true);
    const bodyBytes = view.getUint32(entryAt + 23, true);
    messages[index] = {
      place: view.getUint16(entryAt, true),
      position: view.getFloat64(entryAt + 3, true),
      deadlineMs: Number.isNaN(deadline) ? undefined : deadline,
      headers: take(view.getUint32(entryAt + 19, true)),
      body: (flags & WITH_BODY) === 0 ? undefined : take(bodyBytes),
      bodyBytes,
      damaged: (flags & DAMAGED) !== 0,
    };
  }
  return messages;
}

const ENTRY_BYTES = 27;
const DAMAGED = 1;
const WITH_BODY = 2;
