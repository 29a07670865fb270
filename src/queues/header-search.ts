import { Header, type Headers } from '../message/headers.ts';
import { parseHeaders } from '../message/parse-headers.ts';

/**
 * Looks for a header in stored bytes without parsing them: false means that it is not there. A name may also stand inside
 * another header's value, so whoever gets true parses.
 */
function mayHaveHeader(headers: Uint8Array, name: SearchedHeader): boolean {
  const bytes = Buffer.isBuffer(headers)
    ? headers
    : Buffer.from(headers.buffer, headers.byteOffset, headers.byteLength);
  return bytes.includes(NEEDLES[name]);
}

/** The parsed headers when `name` is one of them, else undefined. */
export function headersWith(headers: Uint8Array, name: SearchedHeader): Headers | undefined {
  if (!mayHaveHeader(headers, name)) return undefined;
  const parsed = parseHeaders(headers);
  return parsed?.[Header[name]] === undefined ? undefined : parsed;
}

export type SearchedHeader = 'priority' | 'timeToReachQueue' | 'administrationQueue';

const NEEDLES: Readonly<Record<SearchedHeader, Buffer>> = {
  priority: Buffer.from(`"${Header.priority}"`),
  timeToReachQueue: Buffer.from(`"${Header.timeToReachQueue}"`),
  administrationQueue: Buffer.from(`"${Header.administrationQueue}"`),
};
