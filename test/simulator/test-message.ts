/*
 * Messages of the simulation carry their number at the start of the body, so that whoever sees bytes (a store, a wire)
 * can tell which message they are without knowing the format around them.
 */

export function encodeBody(id: number, padding: number): Uint8Array {
  const text = `${MARK}${String(id).padStart(DIGITS, '0')};`;
  const body = Buffer.alloc(text.length + padding, 0x2e);
  body.write(text, 'latin1');
  return body;
}

/** Undefined for a body that is not of the simulation. */
export function readId(body: Uint8Array): number | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, MARK.length + DIGITS + 1));
  if (text.toString('latin1', 0, MARK.length) !== MARK) return undefined;
  return Number(text.toString('latin1', MARK.length, MARK.length + DIGITS));
}

/** The messages whose beginnings lie in these bytes, in order. */
export function findIds(bytes: Uint8Array): number[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids: number[] = [];
  for (let at = text.indexOf(MARK); at !== -1; at = text.indexOf(MARK, at + MARK.length)) {
    const digits = text.toString('latin1', at + MARK.length, at + MARK.length + DIGITS);
    if (digits.length === DIGITS) ids.push(Number(digits));
  }
  return ids;
}

const MARK = 'SIMULATED:';
const DIGITS = 7;
