import { ResourceUnavailable } from './errors.ts';
import type { FenceRecord, HeuristicRecord, Protocol } from './transaction-record.ts';
import type { TransactionState } from './transaction-state.ts';
import type { ResourceView, TransactionViewState } from './transaction-view.ts';

/* What is said of transactions to people, in errors, logs and views: one place, so that all say the same. */

export function fenceWords({ found, wanted, isMarkerTableGone }: FenceRecord): string {
  if (isMarkerTableGone === true) {
    return 'its table posthorn_marker is gone, and with it what would tell which of the transactions in doubt have committed';
  }
  if (found.generation === wanted.generation && found.epoch === wanted.epoch) {
    return `another opening of this store has written epoch ${found.epoch} there, which this one wanted to write, so this store went back in time (a restored backup) or is a copy`;
  }
  const other =
    found.generation === wanted.generation
      ? `epoch ${found.epoch} stands there and this store wanted to write ${wanted.epoch}`
      : `generation ${found.generation} stands there and this store is of ${wanted.generation}`;
  return `${other}, so this store went back in time (a restored backup) or is a copy`;
}

/** '8 s', '3 min', '2 h 5 min', '4 d 3 h'. */
export function spanWords(spanMs: number): string {
  const seconds = Math.max(0, Math.round(spanMs / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function countWords(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? `1 ${one}` : `${count} ${many}`;
}

export function protocolReason(protocol: Protocol, branchCount: number): string {
  return protocol === 'marker'
    ? 'marker row: one database was written to, and its own commit decides'
    : `two-phase commit: ${countWords(branchCount, 'database')} prepared, and the decision is kept here`;
}

export function liveSentence(state: TransactionState): string {
  switch (state) {
    case 'active':
      return 'Its handlers are running.';
    case 'unknown':
      return 'The store stopped before it answered, so nobody may conclude anything: it is settled when the directory is opened again.';
    case 'preparing':
    case 'deciding':
      return 'Its databases are being asked to prepare; nothing is decided yet.';
    default:
      return 'Its handlers are done, and it is being committed or rolled back.';
  }
}

export interface PendingFacts {
  readonly state: TransactionState;
  /** A unit that is decided upon and not durable yet. */
  readonly due: 'apply' | 'discard' | 'release' | undefined;
  readonly decidedAgo: string;
  /** Resources that are fenced. */
  readonly fenced: readonly string[];
  readonly branches: readonly PendingBranchFacts[];
}

export interface PendingBranchFacts {
  readonly resource: string;
  readonly proof?: string;
  readonly heuristic?: HeuristicRecord;
  readonly lastAnswer: string | undefined;
  readonly attempts: number;
  readonly nextTryMs: number | undefined;
  /** Some endpoint that runs lists it, or did. */
  readonly isKnown: boolean;
}

/** What is written down and not settled: what is going on, where locks are held, what to do. */
export function pendingSentence(facts: PendingFacts): string {
  const { state, due, decidedAgo, branches } = facts;
  if (state === 'unknown') return liveSentence('unknown');
  if (due !== undefined) {
    const outcome = due === 'discard' ? 'rolled back' : 'committed';
    return `Its outcome is known (${outcome}) and could not be written to the store yet; that is tried again.`;
  }
  const heuristic = branches.find((branch) => branch.heuristic !== undefined);
  if (heuristic?.heuristic !== undefined) {
    return `Commit was decided ${decidedAgo} ago, and '${heuristic.resource}' has another outcome (${heuristicWords(heuristic.heuristic)}). Put its data right by hand, then 'forget' this transaction: that releases what it sent.`;
  }
  const open = branches.filter((branch) => branch.proof === undefined);
  const tries = open.map(tryWords).join(' ');
  if (state === 'inDoubt' || state === 'staged') {
    const first = `Whether it committed is not known yet: the database's answer was lost or is awaited. Its message stays locked.`;
    return `${first} ${facts.fenced.length > 0 ? fencedWords(facts.fenced) : tries}`.trim();
  }
  if (open.length > 0) return `Commit was decided ${decidedAgo} ago. ${tries} Locks are held there until it is told.`;
  const waits = facts.fenced.length > 0 ? ` ${fencedWords(facts.fenced)}` : '';
  return `Every database has committed.${waits}`;
}

function tryWords({ resource, lastAnswer, attempts, nextTryMs, isKnown }: PendingBranchFacts): string {
  if (!isKnown) return `No endpoint that lists '${resource}' is running: start one, and it is finished.`;
  const last =
    lastAnswer === undefined ? `'${resource}' has not answered yet.` : `'${resource}': ${withStop(lastAnswer)}`;
  if (attempts === 0) return last;
  const times = attempts === 1 ? 'once' : `${attempts} times`;
  return `${last} Tried ${times}; ${nextTryWords(nextTryMs)}.`;
}

function nextTryWords(nextTryMs: number | undefined): string {
  if (nextTryMs === undefined) return 'it is being tried now';
  return nextTryMs < 1000 ? 'the next try is about to begin' : `next try in ${spanWords(nextTryMs)}`;
}

function fencedWords(resources: readonly string[]): string {
  const names = resources.map((name) => `'${name}'`).join(', ');
  return `${names} ${resources.length === 1 ? 'is' : 'are'} fenced, so nothing is concluded until an operator accepts this store with 'forget'.`;
}

function heuristicWords({ outcome, answer }: HeuristicRecord): string {
  switch (outcome) {
    case 'rolledBack':
      return `rolled back there: ${answer}`;
    case 'committed':
      return `committed there: ${answer}`;
    case 'hazard':
      return `nobody can tell any more which: ${answer}`;
    default:
      return outcome satisfies never;
  }
}

export interface FoundFacts {
  readonly resources: readonly string[];
  readonly owner: string | undefined;
  readonly answer: string | undefined;
}

/** A prepared branch that no record of ours knows. */
export function foundSentence(state: TransactionViewState, { resources, owner, answer }: FoundFacts): string {
  const where = `in ${resources.map((name) => `'${name}'`).join(', ')}`;
  switch (state) {
    case 'foreign':
      return `Prepared ${where}${owner === undefined ? '' : ` by ${owner}`}, and not by this queue manager: it is never touched. It holds its locks there until whoever prepared it ends it.`;
    case 'fenced':
      return `Prepared ${where} by a life of this queue manager that this store knows nothing of: it is not touched, and holds its locks there. Find out what became of it, then 'commit' or 'abort' it.`;
    default:
      return `It was never decided, so it is being rolled back ${where}.${answer === undefined ? '' : ` ${capital(withStop(answer))}`} Locks are held there until then.`;
  }
}

export function resourceSentence(
  name: string,
  state: ResourceView['state'],
  { trouble, fence }: { readonly trouble: Error | undefined; readonly fence: FenceRecord | undefined },
): string | undefined {
  switch (state) {
    case 'ready':
      return undefined;
    case 'unavailable':
      return trouble === undefined ? 'It has not been reached yet.' : unavailableWords(trouble);
    case 'unfit':
      return trouble === undefined ? 'It cannot take part in transactions.' : withStop(trouble.message);
    case 'fenced':
      if (fence?.isMarkerTableGone === true) {
        return `${capital(fenceWords(fence))}. Endpoints that use it receive nothing. See in the database which of them have taken effect there, and say so of each: 'posthorn transactions commit ID'. Then 'posthorn transactions forget ${name}' makes the table anew; the others are rolled back and handled again.`;
      }
      return `${fence === undefined ? 'Its witness is another one' : capital(fenceWords(fence))}. What waits here may have been handled already, so endpoints that use it receive nothing until an operator accepts this store ('posthorn transactions forget ${name}').`;
    case 'absent':
      return 'Unsettled transactions name it, and no endpoint that lists it is running: start one, and they are settled.';
    case 'stopped':
      return 'No queue manager runs here.';
    default:
      return state satisfies never;
  }
}

/** The view names the database and its address already. */
function unavailableWords(trouble: Error): string {
  return trouble instanceof ResourceUnavailable
    ? `${withStop(trouble.why)} ${trouble.mend}`
    : withStop(trouble.message);
}

function withStop(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
