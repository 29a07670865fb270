import { nearestName } from '../message/posthorn-error.ts';
import type { MessageFilter } from '../operations/message-filter.ts';
import { UsageError } from './errors.ts';
import { parseDuration } from './values.ts';

/** What the filter options of a verb hold; `filter` holds the same ones again, written `name=value`. */
export interface FilterOptions {
  /** Whole ids; any of them. */
  readonly id?: readonly string[];
  readonly type?: string;
  readonly exception?: string;
  readonly group?: readonly string[];
  readonly from?: string;
  /** Of dead letters. */
  readonly reason?: string;
  readonly olderThan?: string;
  readonly newerThan?: string;
  readonly text?: string;
  readonly bodies?: boolean;
  readonly filter?: readonly string[];
}

/** The filter that the options of a verb ask for. */
export function filterOf(options: FilterOptions): MessageFilter {
  const all = { ...options, ...namedFilters(options.filter ?? []) };
  if (all.bodies === true && all.text === undefined)
    throw new UsageError('--bodies searches bodies for a text.', 'Add --text TEXT.');
  return {
    ...(all.id !== undefined && { ids: all.id }),
    ...(all.type !== undefined && { type: all.type }),
    ...(all.exception !== undefined && { exception: all.exception }),
    ...(all.group !== undefined && { groups: all.group }),
    ...(all.from !== undefined && { failedQueue: all.from }),
    ...(all.reason !== undefined && { deadLetterReason: all.reason }),
    ...(all.olderThan !== undefined && { olderThanMs: parseDuration('--older-than', all.olderThan) }),
    ...(all.newerThan !== undefined && { newerThanMs: parseDuration('--newer-than', all.newerThan) }),
    ...(all.text !== undefined && { text: all.text }),
    ...(all.bodies === true && { searchesBodies: true }),
  };
}

export function isEmptyFilter(filter: MessageFilter): boolean {
  return Object.keys(filter).length === 0;
}

/** The filter in words, for questions and dry runs. */
export function describeFilter(filter: MessageFilter): string {
  const parts: string[] = [];
  if (filter.type !== undefined) parts.push(`type ${filter.type}`);
  if (filter.exception !== undefined) parts.push(`exception '${filter.exception}'`);
  if (filter.groups !== undefined) parts.push(`group ${filter.groups.join(' or ')}`);
  if (filter.deadLetterReason !== undefined) parts.push(`reason '${filter.deadLetterReason}'`);
  if (filter.failedQueue !== undefined) parts.push(`from ${filter.failedQueue}`);
  if (filter.olderThanMs !== undefined) parts.push(`older than ${filter.olderThanMs / 1000} s`);
  if (filter.newerThanMs !== undefined) parts.push(`newer than ${filter.newerThanMs / 1000} s`);
  if (filter.text !== undefined)
    parts.push(`text '${filter.text}'${filter.searchesBodies === true ? ' (bodies too)' : ''}`);
  if (filter.ids !== undefined)
    parts.push(filter.ids.length === 1 ? `id ${filter.ids[0]}` : `${filter.ids.length} ids`);
  return parts.length === 0 ? 'all' : parts.join(', ');
}

const FILTER_NAMES = [
  'id',
  'type',
  'exception',
  'group',
  'from',
  'reason',
  'older-than',
  'newer-than',
  'text',
  'bodies',
] as const;

function namedFilters(texts: readonly string[]): FilterOptions {
  const named: Record<string, string | string[] | boolean> = {};
  for (const text of texts) {
    const [name, value] = splitFilter(text);
    if (name === 'group' || name === 'id') named[name] = [...((named[name] as string[] | undefined) ?? []), value];
    else if (name === 'older-than') named.olderThan = value;
    else if (name === 'newer-than') named.newerThan = value;
    else if (name === 'bodies') Object.assign(named, { text: value, bodies: true });
    else named[name] = value;
  }
  return named;
}

function splitFilter(text: string): [(typeof FILTER_NAMES)[number], string] {
  const equals = text.indexOf('=');
  if (equals === -1)
    throw new UsageError(`--filter '${text}' is not NAME=VALUE.`, `Names are ${FILTER_NAMES.join(', ')}.`);
  const name = FILTER_NAMES.find((known) => known === text.slice(0, equals));
  if (name === undefined) {
    const given = text.slice(0, equals);
    const nearest = nearestName(given, FILTER_NAMES);
    const mend = nearest === undefined ? `There are ${FILTER_NAMES.join(', ')}.` : `Did you mean '${nearest}'?`;
    throw new UsageError(`There is no filter '${given}'.`, mend);
  }
  return [name, text.slice(equals + 1)];
}
