import { Header, type Headers } from '../message/headers.ts';
import { parseHeaders } from '../message/parse-headers.ts';

/**
 * Looks for a header in stored bytes without parsing them: false means that it is not there. A name may also stand inside
 * another header's value, so whoever gets true parses. It runs for every message received: one jump from `P` to `P` costs
 * a fifth of a search for the whole name (measured: 110 against 580 ns).
 */
function mayHaveHeader(headers: Uint8Array, name: SearchedHeader): boolean {
  const needle = NEEDLES[name];
  for (let at = headers.indexOf(FIRST_BYTE); at !== -1; at = headers.indexOf(FIRST_BYTE, at + 1)) {
    if (standsAt(headers, at, needle)) return true;
  }
  return false;
}

function standsAt(bytes: Uint8Array, at: number, needle: Uint8Array): boolean {
  for (let index = 0; index < needle.length; index++) if (bytes[at + index] !== needle[index]) return false;
  return true;
}

/** The parsed headers when `name` is one of them, else undefined. */
export function headersWith(headers: Uint8Array, name: SearchedHeader): Headers | undefined {
  if (!mayHaveHeader(headers, name)) return undefined;
  const parsed = parseHeaders(headers);
  return parsed?.[Header[name]] === undefined ? undefined : parsed;
}

export type SearchedHeader = 'priority' | 'timeToReachQueue' | 'administrationQueue';

/** Of the names, all of which begin with `Posthorn.`. */
const FIRST_BYTE = 0x50;

const NEEDLES: Readonly<Record<SearchedHeader, Uint8Array>> = {
  priority: Buffer.from(`${Header.priority}"`),
  timeToReachQueue: Buffer.from(`${Header.timeToReachQueue}"`),
  administrationQueue: Buffer.from(`${Header.administrationQueue}"`),
};
