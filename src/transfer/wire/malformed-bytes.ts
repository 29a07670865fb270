/** Bytes of another machine that are not a frame of the protocol. A value of the wire: a link makes it its end. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

/** @param what - a clause with the values: `DATA does not match its checksum` */
export function malformed(what: string): MalformedBytes {
  return new MalformedBytes(what);
}
