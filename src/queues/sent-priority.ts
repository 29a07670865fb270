import { Header } from '../message/headers.ts';
import { PRIORITY_DEFAULT, PRIORITY_MAX } from '../message/limits.ts';
import { headersWith } from './header-search.ts';

/** Priority of every position in an outgoing queue, so that their order is that of the commits: the highest, whose bits are 0. */
export const OUTGOING_PRIORITY = PRIORITY_MAX;

/** The priority that the sender of a message in an outgoing queue asked for. */
export function sentPriorityOf(headers: Uint8Array): number {
  const text = headersWith(headers, 'priority')?.[Header.priority];
  return text !== undefined && /^[0-7]$/.test(text) ? Number(text) : PRIORITY_DEFAULT;
}
