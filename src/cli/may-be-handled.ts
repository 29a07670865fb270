import type { MessageFilter } from '../operations/message-filter.ts';
import type { Operations } from '../operations/operations.ts';
import type { ResourceView } from '../transactions/transaction-view.ts';
import { countOf } from './format.ts';
import { pages } from './message-pages.ts';

/** Messages that a life which the store has forgotten may have handled already, with a fenced database. */
export interface MayBeHandled {
  /** Queues that have such messages, each with how many were counted. */
  readonly queues: readonly { readonly queue: string; readonly messages: number }[];
  /** The first of them. */
  readonly first: readonly { readonly queue: string; readonly id: string; readonly kind: 'queue' | 'delayed' }[];
  /** False when there were too many to look at all. */
  readonly isComplete: boolean;
}

/**
 * Counts them: what waits, or is delayed, in the queues of the endpoints that use the database, and what failed there and would
 * go back there, in whatever queue it is; in all queues where no such endpoint is known. Undefined for a database that is not
 * fenced.
 */
export async function countMayBeHandled(
  operations: Operations,
  resource: ResourceView,
  firstMax = 0,
): Promise<MayBeHandled | undefined> {
  const { mayBeHandledUpTo: sequenceMax, endpoints } = resource;
  if (resource.state !== 'fenced' || sequenceMax === undefined) return undefined;
  const { queues: known } = await operations.describeManager();
  const counts = new Map<string, number>();
  const first: MayBeHandled['first'][number][] = [];
  let pagesLeft = PAGES_MAX;
  for (const { queue, kind, filter } of placesOf(known, endpoints)) {
    const request = { queue, kind, filter, sequenceMax };
    for await (const page of pages((afterPosition) => operations.readMessages({ ...request, afterPosition }))) {
      const { messages } = page;
      if (messages.length > 0) counts.set(queue, (counts.get(queue) ?? 0) + messages.length);
      first.push(...messages.slice(0, firstMax - first.length).map(({ id }) => ({ queue, id, kind })));
      if (--pagesLeft === 0) break;
    }
    if (pagesLeft === 0) break;
  }
  const queues = [...counts].map(([queue, messages]) => ({ queue, messages }));
  return { queues, first, isComplete: pagesLeft > 0 };
}

/** The queues of the endpoints first: others may hold many messages that have nothing to do with it. */
function placesOf(known: readonly string[], endpoints: readonly string[]): readonly Place[] {
  const isOwn = (queue: string): boolean => endpoints.length === 0 || endpoints.includes(queue);
  return [
    ...known.filter(isOwn).flatMap((queue) => (['queue', 'delayed'] as const).map((kind) => ({ queue, kind }))),
    ...known
      .filter((queue) => !isOwn(queue) && queue !== HANDLED_BEFORE)
      .flatMap((queue) => endpoints.map((failedQueue) => ({ queue, kind: 'queue' as const, filter: { failedQueue } }))),
  ];
}

interface Place {
  readonly queue: string;
  readonly kind: 'queue' | 'delayed';
  readonly filter?: MessageFilter;
}

/** `12 messages may have been handled already: 10 in 'sales', 2 in 'error'.` */
export function describeMayBeHandled({ queues, isComplete }: MayBeHandled): string {
  const total = queues.reduce((sum, { messages }) => sum + messages, 0);
  if (total === 0 && isComplete) {
    return 'No message was found that may have been handled already: none waits for its endpoints, is delayed, or failed there. What is kept elsewhere and sent again is not known here.';
  }
  const places = queues.map(({ queue, messages }) => `${messages} in '${queue}'`).join(', ');
  const atLeast = isComplete ? '' : 'At least ';
  return `${atLeast}${countOf(total, 'message')} may have been handled already${places === '' ? '' : `: ${places}`}.`;
}

/** Where operators put those that were handled, as the printed commands say. */
export const HANDLED_BEFORE = 'handled-before';
/** About 10,000 messages, which takes a second or two beside a busy queue manager. */
const PAGES_MAX = 625;
