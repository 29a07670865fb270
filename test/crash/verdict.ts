import type { Ledger } from './ledger.ts';
import { type Kind, kindOfId, QUEUES } from './workload.ts';

/** Ids found in each queue at the end, as often as they are there. */
export type Contents = ReadonlyMap<string, readonly string[]>;

export interface Verdict {
  /** Sends that resolved. */
  readonly accepted: number;
  /** Messages whose handlers' effect is there: what the last handler sent. */
  readonly handled: number;
  /** Messages that handlers sent, found at the end. */
  readonly sent: number;
  /** In the error queue at the end. */
  readonly failed: number;
  /** Sends that never got an answer and whose message is there all the same: allowed, and good to know. */
  readonly unansweredButThere: number;
  /** More than one copy in mode `receiveOnly`: allowed, and good to know. */
  readonly repeatedInReceiveOnly: number;
  /** Accepted and nowhere. */
  readonly lost: readonly string[];
  /** There more often than once, or in two places. */
  readonly doubled: readonly string[];
  /** One of two messages that were sent in one unit of work. */
  readonly halfUnits: readonly string[];
  /** In a place where that message must not end, or never sent at all, or back after a purge. */
  readonly misplaced: readonly string[];
}

export function isFaultless(verdict: Verdict): boolean {
  const { lost, doubled, halfUnits, misplaced } = verdict;
  return [lost, doubled, halfUnits, misplaced].every((faults) => faults.length === 0);
}

/**
 * Compares what senders know with what is in the queues after the last life has drained them. An effect is counted by
 * message id. Accepted: exactly once. Never answered: once or not at all.
 */
export function judge(ledger: Ledger, contents: Contents): Verdict {
  const found = countById(contents);
  const lost: string[] = [];
  const doubled: string[] = [];
  const halfUnits: string[] = [];
  const misplaced: string[] = [];
  let unansweredButThere = 0;
  let repeatedInReceiveOnly = 0;
  for (const [id, places] of found) {
    const kind = kindOfId(id);
    if (kind === undefined || !ledger.intents.has(id)) {
      misplaced.push(`${id} in ${[...places.keys()]}: never sent`);
      continue;
    }
    const expected = placesOf(kind);
    for (const place of places.keys()) if (!expected.includes(place)) misplaced.push(`${id} in ${place}`);
    const counts = expected.map((place) => places.get(place) ?? 0);
    if (Math.max(...counts) > 1 && kind === 'loose') repeatedInReceiveOnly++;
    else if (Math.max(...counts) > 1)
      doubled.push(`${id}: ${expected.map((place, at) => `${counts[at]} in ${place}`)}`);
    if (new Set(counts.map((count) => count > 0)).size > 1) halfUnits.push(`${id}: ${[...places.keys()]} alone`);
    if (!ledger.accepted.has(id)) unansweredButThere++;
    if (kind === 'scrap' && wasPurged(ledger, id)) misplaced.push(`${id} in ${QUEUES.scrap}: back after a purge`);
  }
  for (const id of ledger.accepted.keys()) {
    if (!found.has(id) && !(kindOfId(id) === 'scrap' && mayBePurged(ledger, id))) lost.push(id);
  }
  const idsIn = (queue: string): readonly string[] => contents.get(queue) ?? [];
  return {
    accepted: ledger.accepted.size,
    handled: new Set([...idsIn(QUEUES.done), ...idsIn(QUEUES.looseDone)]).size,
    sent: idsIn(QUEUES.done).length + idsIn(QUEUES.receipt).length + idsIn(QUEUES.looseDone).length,
    failed: idsIn(QUEUES.error).length,
    unansweredButThere,
    repeatedInReceiveOnly,
    lost,
    doubled,
    halfUnits,
    misplaced,
  };
}

/** Where a message of this kind must end, in all of these places at once. */
function placesOf(kind: Kind): readonly string[] {
  switch (kind) {
    case 'plain':
    case 'fails-once':
    case 'fails-round':
    case 'delayed':
    case 'later':
    case 'broken':
      return [QUEUES.done, QUEUES.receipt];
    case 'hopeless':
      return [QUEUES.error];
    case 'expiring':
      return [QUEUES.deadLetter];
    case 'loose':
      return [QUEUES.looseDone];
    case 'scrap':
      return [QUEUES.scrap];
    default:
      return kind satisfies never;
  }
}

/** Was there for certain when a purge began that ended well. */
function wasPurged(ledger: Ledger, id: string): boolean {
  const acceptedAt = ledger.accepted.get(id);
  return acceptedAt !== undefined && ledger.purges.some(({ from, isComplete }) => isComplete && acceptedAt < from);
}

/** A purge that ended, or was cut off by a kill, after the send began may have taken it. */
function mayBePurged(ledger: Ledger, id: string): boolean {
  const intentAt = ledger.intents.get(id) ?? Number.POSITIVE_INFINITY;
  return ledger.purges.some(({ to }) => to > intentAt);
}

function countById(contents: Contents): Map<string, Map<string, number>> {
  const found = new Map<string, Map<string, number>>();
  for (const [queue, ids] of contents) {
    for (const id of ids) {
      const places = found.get(id) ?? new Map<string, number>();
      places.set(queue, (places.get(queue) ?? 0) + 1);
      found.set(id, places);
    }
  }
  return found;
}
