import type { Operations } from '../operations/operations.ts';
import type { ResourceView } from '../transactions/transaction-view.ts';
import { countOf } from './format.ts';
import { pages } from './message-pages.ts';

/** Waiting messages that a life which the store has forgotten may have handled already, with a fenced database. */
export interface MayBeHandled {
  /** Queues that have such messages, each with how many were counted. */
  readonly queues: readonly { readonly queue: string; readonly messages: number }[];
  /** The first of them. */
  readonly first: readonly { readonly queue: string; readonly id: string }[];
  /** False when there were too many to look at all. */
  readonly isComplete: boolean;
}

/**
 * Counts them: what waits, or is delayed, in the queues of the endpoints that use the database; in all queues where no such
 * endpoint is known. Undefined for a database that is not fenced.
 */
export async function countMayBeHandled(
  operations: Operations,
  resource: ResourceView,
  firstMax = 0,
): Promise<MayBeHandled | undefined> {
  const { mayBeHandledUpTo, endpoints } = resource;
  if (resource.state !== 'fenced' || mayBeHandledUpTo === undefined) return undefined;
  const { queues: known } = await operations.describeManager();
  const queues: { queue: string; messages: number }[] = [];
  const first: { queue: string; id: string }[] = [];
  let pagesLeft = PAGES_MAX;
  for (const queue of known.filter((name) => endpoints.length === 0 || endpoints.includes(name))) {
    let messages = 0;
    for (const kind of ['queue', 'delayed'] as const) {
      const request = { queue, kind, sequenceMax: mayBeHandledUpTo };
      for await (const page of pages((afterPosition) => operations.readMessages({ ...request, afterPosition }))) {
        messages += page.messages.length;
        first.push(...page.messages.slice(0, firstMax - first.length).map(({ id }) => ({ queue, id })));
        pagesLeft--;
        if (pagesLeft === 0) break;
      }
      if (pagesLeft === 0) break;
    }
    if (messages > 0) queues.push({ queue, messages });
    if (pagesLeft === 0) break;
  }
  return { queues, first, isComplete: pagesLeft > 0 };
}

/** `12 waiting messages may have been handled already: 10 in 'sales', 2 in 'billing'.` */
export function describeMayBeHandled({ queues, isComplete }: MayBeHandled): string {
  const total = queues.reduce((sum, { messages }) => sum + messages, 0);
  if (total === 0 && isComplete) return 'No message that waits here can have been handled already.';
  const places = queues.map(({ queue, messages }) => `${messages} in '${queue}'`).join(', ');
  const atLeast = isComplete ? '' : 'At least ';
  return `${atLeast}${countOf(total, 'waiting message')} may have been handled already: ${places}.`;
}

/** About 10,000 messages, which takes a second or two beside a busy queue manager. */
const PAGES_MAX = 625;
