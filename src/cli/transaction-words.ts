import type {
  BranchView,
  ResourceView,
  TransactionView,
  TransactionViewState,
} from '../transactions/transaction-view.ts';
import { countOf, formatAge } from './format.ts';

/** Upper case for what waits for a person. */
export const STATE_WORDS: Readonly<Record<TransactionViewState, string>> = {
  active: 'active',
  preparing: 'preparing',
  inDoubt: 'in doubt',
  committing: 'committing',
  heuristic: 'HEURISTIC',
  aborting: 'aborting',
  fenced: 'FENCED',
  foreign: 'foreign',
  settled: 'settled',
};

export const BRANCH_WORDS: Readonly<Record<BranchView['state'], string>> = {
  working: 'working',
  prepared: 'prepared',
  committing: 'committing',
  committed: 'committed',
  rollingBack: 'rolling back',
  heuristic: 'HEURISTIC',
  unknown: 'outcome unknown',
};

export const RESOURCE_WORDS: Readonly<Record<ResourceView['state'], string>> = {
  ready: 'ready',
  unavailable: 'unavailable',
  fenced: 'FENCED',
  unfit: 'unfit',
  absent: 'no endpoint here uses it',
  stopped: 'no queue manager runs',
};

export const HEURISTIC_WORDS = {
  rolledBack: 'was rolled back there',
  committed: 'was committed there',
  hazard: 'ended there in a way that nobody can prove any more',
} as const;

export const PROTOCOL_WORDS = { marker: 'marker row', twoPhase: 'two-phase commit' } as const;

/** `committed`, or `prepared, 12 tries, next in 8s: connect ECONNREFUSED`. */
export function describeBranch({ state, attempts, nextTryMs, lastAnswer, heuristic }: BranchView): string {
  const words = [heuristic === undefined ? BRANCH_WORDS[state] : `HEURISTIC, ${HEURISTIC_WORDS[heuristic.outcome]}`];
  if (attempts > 0) words.push(countOf(attempts, 'try', 'tries'));
  if (nextTryMs !== undefined) words.push(nextTryOf(nextTryMs));
  const answer = heuristic?.answer ?? lastAnswer;
  return `${words.join(', ')}${answer === undefined ? '' : `: ${answer}`}`;
}

export function nextTryOf(nextTryMs: number): string {
  return nextTryMs < 1000 ? 'next now' : `next in ${formatAge(nextTryMs)}`;
}

/** `2 messages for 'billing', 1 message for 'mail@beta'`; undefined when nothing is held. */
export function describeHeldSends({ heldSends }: Pick<TransactionView, 'heldSends'>): string | undefined {
  if (heldSends.length === 0) return undefined;
  return heldSends.map(({ queue, messages }) => `${countOf(messages, 'message')} for '${queue}'`).join(', ');
}

/** `postgres, orders on db1:5432 as app`; less where less is known. */
export function describeTarget({ kind, target }: Pick<ResourceView, 'kind' | 'target'>): string | undefined {
  if (target === undefined) return kind;
  const { host, port, database, user } = target;
  const place = host.includes(':') && !host.startsWith('/') ? `[${host}]` : host;
  return `${kind === undefined ? '' : `${kind}, `}${database} on ${place}:${port} as ${user}`;
}

/**
 * What a person would type on each database to bring the transaction to its end. Once an end is decided the other one is not
 * shown: it would tear the transaction apart.
 */
export function sqlByHand(
  { state, branches }: TransactionView,
  wanted?: 'commit' | 'rollback',
): readonly { readonly resource: string; readonly sql: string }[] {
  const directions = wanted === undefined ? DIRECTIONS[state] : [wanted];
  return branches.flatMap(({ resource, sql, state: branchState }) =>
    sql === undefined || OVER.has(branchState)
      ? []
      : directions.map((direction) => ({ resource, sql: sql[direction] })),
  );
}

const OVER: ReadonlySet<BranchView['state']> = new Set(['committed', 'heuristic']);

const BOTH = ['commit', 'rollback'] as const;
const DIRECTIONS: Readonly<Record<TransactionViewState, readonly ('commit' | 'rollback')[]>> = {
  active: [],
  preparing: [],
  inDoubt: [],
  committing: ['commit'],
  heuristic: ['commit'],
  aborting: ['rollback'],
  fenced: BOTH,
  foreign: BOTH,
  settled: [],
};
