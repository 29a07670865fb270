import type { Ledger } from '../ledger.ts';
import type { Found, MachineContents } from './contents.ts';
import {
  isTooLarge,
  KINDS,
  type Kind,
  MACHINES,
  type Machine,
  type MessageName,
  parseId,
  peerOf,
  priorityOf,
  QUEUES,
} from './workload.ts';

export interface MachinesVerdict {
  /** Sends that resolved. */
  readonly accepted: number;
  /** Messages whose effect is at the other machine. */
  readonly handled: number;
  /** Messages that the other machine did not take, or not in time: in the sender's dead-letter queue. */
  readonly deadLettered: number;
  readonly byKind: Readonly<Record<Kind, { readonly handled: number; readonly deadLettered: number }>>;
  /** Sends that never got an answer and whose message is there all the same: allowed, and good to know. */
  readonly unansweredButThere: number;
  /** Came twice over a stream that the receiver had forgotten, and are marked: allowed, and good to know. */
  readonly repeatedAndMarked: number;
  /** Accepted and nowhere. */
  readonly lost: readonly string[];
  /** There more often than once, or both arrived and dead-lettered. */
  readonly doubled: readonly string[];
  /** Of two effects of one unit, one; or an acknowledgement that does not fit. */
  readonly halfUnits: readonly string[];
  /** Behind one that was accepted after it. */
  readonly outOfOrder: readonly string[];
  /** In a place or with a reason that it must not have, marked without need, or never sent at all. */
  readonly misplaced: readonly string[];
}

export function isFaultless({ lost, doubled, halfUnits, outOfOrder, misplaced }: MachinesVerdict): boolean {
  return [lost, doubled, halfUnits, outOfOrder, misplaced].every((faults) => faults.length === 0);
}

/** Compares what senders know with what is at both machines after their last lives. */
export function judge(ledger: Ledger, contents: Readonly<Record<Machine, MachineContents>>): MachinesVerdict {
  const faults = { lost: [], doubled: [], halfUnits: [], outOfOrder: [], misplaced: [] } as Faults;
  const fates = gather(ledger, contents, faults);
  const byKind = Object.fromEntries(KINDS.map((kind) => [kind, { handled: 0, deadLettered: 0 }])) as Counts;
  let unansweredButThere = 0;
  let repeatedAndMarked = 0;
  for (const [id, fate] of fates) {
    judgeFate(id, fate, faults);
    if (fate.done.length > 0) byKind[fate.name.kind].handled++;
    if (fate.deadLetters.length > 0) byKind[fate.name.kind].deadLettered++;
    if (fate.done.length > 1) repeatedAndMarked++;
    if (!ledger.accepted.has(id)) unansweredButThere++;
  }
  for (const id of ledger.accepted.keys()) if (!fates.has(id)) faults.lost.push(id);
  for (const machine of MACHINES) judgeOrder(machine, contents[machine], faults);
  const total = (what: 'handled' | 'deadLettered'): number =>
    Object.values(byKind).reduce((sum, counts) => sum + counts[what], 0);
  return {
    accepted: ledger.accepted.size,
    handled: total('handled'),
    deadLettered: total('deadLettered'),
    byKind,
    unansweredButThere,
    repeatedAndMarked,
    ...faults,
  };
}

type Counts = Record<Kind, { handled: number; deadLettered: number }>;

type Faults = Record<'lost' | 'doubled' | 'halfUnits' | 'outOfOrder' | 'misplaced', string[]>;

/** Everything that was found of one message. */
interface Fate {
  readonly name: MessageName;
  /** At the receiver. */
  readonly done: Found[];
  /** At the sender, as all that follows. */
  readonly deadLetters: Found[];
  readonly journaled: Found[];
  readonly answered: Found[];
  readonly receipts: Found[];
}

function gather(
  ledger: Ledger,
  contents: Readonly<Record<Machine, MachineContents>>,
  faults: Faults,
): ReadonlyMap<string, Fate> {
  const fates = new Map<string, Fate>();
  for (const machine of MACHINES) {
    for (const [place, all] of contents[machine]) {
      for (const found of all) {
        const name = parseId(found.id);
        if (name === undefined || !ledger.intents.has(found.id)) {
          faults.misplaced.push(`${found.id} in ${place} of ${machine}: never sent`);
          continue;
        }
        const fate = fates.get(found.id) ?? emptyFate(name);
        fates.set(found.id, fate);
        const list = listOf(fate, machine, place);
        if (list === undefined) faults.misplaced.push(`${found.id} in ${place} of ${machine}`);
        else list.push(found);
      }
    }
  }
  return fates;
}

function emptyFate(name: MessageName): Fate {
  return { name, done: [], deadLetters: [], journaled: [], answered: [], receipts: [] };
}

/** Undefined: nothing of this message may be there. */
function listOf(fate: Fate, machine: Machine, place: string): Found[] | undefined {
  const { kind } = fate.name;
  if (machine !== fate.name.machine) return place === QUEUES.done && kind !== 'missing' ? fate.done : undefined;
  switch (place) {
    case QUEUES.deadLetter:
      return mayBeDeadLettered(fate.name) ? fate.deadLetters : undefined;
    case QUEUES.answered:
      return kind === 'asks' ? fate.answered : undefined;
    case QUEUES.receipts:
      return hasReceipt(kind) ? fate.receipts : undefined;
    case `orders@${peerOf(machine)} (journal)`:
      return kind === 'orders' ? fate.journaled : undefined;
    default:
      return undefined;
  }
}

function judgeFate(id: string, fate: Fate, faults: Faults): void {
  const { name, done, deadLetters, receipts } = fate;
  const marked = done.filter(({ isPossibleDuplicate }) => isPossibleDuplicate);
  if (name.kind !== 'renewed' && marked.length > 0) faults.misplaced.push(`${id}: marked as a possible duplicate`);
  if (done.length === 0 && deadLetters.length === 0) faults.lost.push(`${id}: neither arrived nor a dead letter`);
  const unmarked = done.length - marked.length;
  const isRepeated = unmarked > 1 || (name.kind !== 'renewed' && done.length > 1) || deadLetters.length > 1;
  if (isRepeated || (done.length > 0 && deadLetters.length > 0)) {
    faults.doubled.push(`${id}: ${done.length} arrived, ${deadLetters.length} dead letters`);
  }
  for (const { reason } of deadLetters) {
    if (reason !== reasonOf(name.kind)) faults.misplaced.push(`${id}: dead letter because of ${reason}`);
  }
  if (isTooLarge(name) && done.length > 0) faults.misplaced.push(`${id}: arrived, and is too large`);
  const isArrived = done.length > 0 ? 1 : 0;
  if (name.kind === 'orders' && fate.journaled.length !== isArrived) {
    faults.halfUnits.push(`${id}: ${done.length} arrived, ${fate.journaled.length} in the journal`);
  }
  if (name.kind === 'asks' && fate.answered.length !== isArrived) {
    faults.halfUnits.push(`${id}: ${done.length} arrived, ${fate.answered.length} answers`);
  }
  if (!hasReceipt(name.kind)) return;
  const expected = done.length > 0 ? 'ACK_REACH_QUEUE' : reasonOf(name.kind);
  if (receipts.length !== 1 || receipts[0]?.reason !== expected) {
    const told = receipts.map(({ reason }) => reason).join(', ');
    faults.halfUnits.push(`${id}: should have been acknowledged by ${expected}, was by '${told}'`);
  }
}

function hasReceipt(kind: Kind): boolean {
  return kind === 'short' || kind === 'moody';
}

function mayBeDeadLettered(name: MessageName): boolean {
  return reasonOf(name.kind) !== undefined && (name.kind !== 'large' || isTooLarge(name));
}

function reasonOf(kind: Kind): string | undefined {
  switch (kind) {
    case 'short':
      return 'NACK_REACH_QUEUE_TIMEOUT';
    case 'moody':
      return 'NACK_ACCESS_DENIED';
    case 'large':
      return 'NACK_TOO_LARGE';
    case 'missing':
      return 'NACK_BAD_DST_Q';
    default:
      return undefined;
  }
}

/**
 * What arrived over one stream arrived in the order of its sends; so were refusals settled. A message that came again,
 * marked, counts where it came first. Answers come in the order of the units that they were sent in.
 */
function judgeOrder(machine: Machine, contents: MachineContents, faults: Faults): void {
  const doneInOrder = contents.get(QUEUES.done) ?? [];
  judgeSequence(`done of ${machine}`, doneInOrder, faults);
  judgeSequence(`dead-letter of ${machine}`, contents.get(QUEUES.deadLetter) ?? [], faults);
  judgeSequence(
    `journal of ${machine}`,
    [...contents].flatMap(([place, found]) => (place.endsWith('(journal)') ? found : [])),
    faults,
  );
}

function judgeSequence(where: string, found: readonly Found[], faults: Faults): void {
  const latest = new Map<string, { readonly id: string; readonly name: MessageName }>();
  const seen = new Set<string>();
  for (const { id } of found) {
    const name = parseId(id);
    const stream = name === undefined || seen.has(id) ? undefined : streamOf(name, where);
    seen.add(id);
    if (name === undefined || stream === undefined) continue;
    const before = latest.get(stream);
    if (before !== undefined && !isLater(name, before.name)) {
      faults.outOfOrder.push(`${id} behind ${before.id} in ${where}`);
    }
    latest.set(stream, { id, name });
  }
}

/** Undefined: in no order that is promised. */
function streamOf(name: MessageName, where: string): string | undefined {
  const { kind } = name;
  // Handled several at a time.
  if (kind === 'later' || kind === 'asks') return undefined;
  // Each expires at its own time.
  if (kind === 'short' && where.startsWith('dead-letter')) return undefined;
  return kind === 'urgent' ? `urgent ${priorityOf(name)}` : kind;
}

function isLater(one: MessageName, other: MessageName): boolean {
  return one.life > other.life || (one.life === other.life && one.number > other.number);
}
