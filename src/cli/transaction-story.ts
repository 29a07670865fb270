import type {
  BranchView,
  OperatorWish,
  TransactionView,
  TransactionViewState,
} from '../transactions/transaction-view.ts';
import { type Fact, formatFacts } from './facts.ts';
import { countOf, formatAge, formatSpan, isoTime, readableTime } from './format.ts';
import { describeMayBeHandled } from './may-be-handled.ts';
import { type Column, formatTable } from './table.ts';
import { harmless, type Terminal } from './terminal.ts';
import {
  BRANCH_WORDS,
  describeHeldSends,
  describeTarget,
  HEURISTIC_WORDS,
  nextTryOf,
  PROTOCOL_WORDS,
  RESOURCE_WORDS,
  STATE_WORDS,
  sqlByHand,
} from './transaction-words.ts';
import { afterFence, type ResourceSeen } from './transactions-view.ts';

/** Everything about one transaction, and what can be done while a queue manager runs, or while none does. */
export function formatTransactionStory(
  terminal: Terminal,
  transaction: TransactionView,
  { nowMs, isRunning }: { readonly nowMs: number; readonly isRunning: boolean },
): string {
  return [
    formatFacts(terminal, factsOf(transaction)),
    ...transaction.branches.map((branch) => formatFacts(terminal, branchFacts(branch, nowMs))),
    ...(isRunning || transaction.state === 'heuristic' ? whatToType(terminal, transaction) : whoIsNeeded(transaction)),
    ...byHand(terminal, transaction),
    ...actionsOf(terminal, transaction, nowMs),
  ].join('\n\n');
}

/** Everything about a database, with the first of the messages that may have been handled already. */
export function formatResourceStory(terminal: Terminal, seen: ResourceSeen, nowMs: number): string {
  const { resource, mayBeHandled } = seen;
  const { name, state, sinceMs, sentence, endpoints, oldestPreparedMs } = resource;
  const facts = formatFacts(terminal, [
    ['Database', name],
    ['Where', describeTarget(resource)],
    ['State', RESOURCE_WORDS[state]],
    ['Since', sinceMs === undefined ? undefined : `${readableTime(sinceMs)}, ${formatAge(nowMs - sinceMs)}`],
    ['Now', sentence],
    ['Prepared', oldestPreparedMs === undefined ? undefined : `the oldest branch for ${formatSpan(oldestPreparedMs)}`],
    ['Endpoints', endpoints.length === 0 ? undefined : endpoints.join(', ')],
    ...fencedFacts(seen),
  ]);
  const first = mayBeHandled?.first ?? [];
  if (first.length === 0) return facts;
  const table = formatTable(
    terminal,
    MESSAGE_COLUMNS,
    first.map(({ queue, id, kind }) => [queue, id, kind === 'delayed' ? '--delayed' : '']),
  );
  const total = mayBeHandled?.queues.reduce((sum, { messages }) => sum + messages, 0) ?? 0;
  const rest = total > first.length ? [`… and ${countOf(total - first.length, 'more', 'more')}`] : [];
  return [facts, '', terminal.bold('May have been handled already'), table, ...rest].join('\n');
}

function fencedFacts({ resource, mayBeHandled }: ResourceSeen): [string, string][] {
  if (resource.state !== 'fenced') return [];
  return [
    ...(mayBeHandled === undefined ? [] : [['Messages', describeMayBeHandled(mayBeHandled)] as [string, string]]),
    ['What to do', afterFence(resource.name, mayBeHandled)],
  ];
}

const MESSAGE_COLUMNS: readonly Column[] = [{ title: 'QUEUE', share: 1 }, { title: 'MESSAGE' }, { title: '' }];

function factsOf(transaction: TransactionView): readonly Fact[] {
  const { id, state, sentence, endpoint, messageId, messageType, ageMs } = transaction;
  return [
    ['Transaction', id],
    ['State', STATE_WORDS[state]],
    ['Now', sentence],
    ['Protocol', protocolOf(transaction)],
    ['Endpoint', endpoint],
    [
      'Message',
      messageId === undefined ? undefined : `${messageId}${messageType === undefined ? '' : `, ${messageType}`}`,
    ],
    ['Age', ageMs === undefined ? undefined : formatAge(ageMs)],
    ['Held sends', describeHeldSends(transaction)],
  ];
}

/** The reason names the protocol too. */
function protocolOf({ protocol, protocolReason }: TransactionView): string | undefined {
  return protocolReason ?? (protocol === undefined ? undefined : PROTOCOL_WORDS[protocol]);
}

function branchFacts(branch: BranchView, nowMs: number): readonly Fact[] {
  const { resource, branchId, state, attempts, nextTryMs, lastAnswer, heuristic, proof } = branch;
  const tries = [
    ...(attempts === 0 ? [] : [countOf(attempts, 'try', 'tries')]),
    ...(nextTryMs === undefined ? [] : [nextTryOf(nextTryMs)]),
  ];
  return [
    ['Database', `${resource}, ${BRANCH_WORDS[state]}`],
    ['Branch', branchId, 'whole'],
    ['Outcome', heuristic === undefined ? undefined : `${HEURISTIC_WORDS[heuristic.outcome]}: ${heuristic.answer}`],
    [
      'Found',
      heuristic === undefined ? undefined : `${readableTime(heuristic.atMs)}, ${formatAge(nowMs - heuristic.atMs)} ago`,
    ],
    // What came to an end says so above, or by its proof.
    ['Last answer', heuristic === undefined && state !== 'committed' ? lastAnswer : undefined],
    ['Tries', tries.length === 0 ? undefined : tries.join(', ')],
    ['Proof', proof],
  ];
}

/** Never wrapped: it is there to be copied. */
function whatToType(terminal: Terminal, { id, state }: TransactionView): readonly string[] {
  const lines = ACTIONS[state].map((action) =>
    harmless(`  posthorn transactions ${action} ${id}${action === 'retry' ? '' : ' --reason TEXT'}`),
  );
  return lines.length === 0 ? [] : [[terminal.bold('What you can do'), ...lines].join('\n')];
}

/** Without a queue manager only what needs no database can be done. */
function whoIsNeeded({ state }: TransactionView): readonly string[] {
  if (ACTIONS[state].length === 0) return [];
  return [
    'No queue manager runs here. Start an endpoint that lists its databases: most transactions are settled by that alone.',
  ];
}

const ACTIONS: Readonly<Record<TransactionViewState, readonly OperatorWish['action'][]>> = {
  active: [],
  preparing: [],
  inDoubt: ['retry'],
  committing: ['retry'],
  aborting: ['retry'],
  heuristic: ['forget'],
  fenced: ['commit', 'abort'],
  foreign: [],
  settled: [],
};

/** Never wrapped: it is there to be copied. */
function byHand(terminal: Terminal, transaction: TransactionView): readonly string[] {
  const statements = sqlByHand(transaction);
  if (statements.length === 0) return [];
  const lines = statements.map(({ resource, sql }) => `  ${resource}: ${harmless(sql)}`);
  return [[terminal.bold('The same by hand'), ...lines].join('\n')];
}

function actionsOf(terminal: Terminal, { actions }: TransactionView, nowMs: number): readonly string[] {
  if (actions.length === 0) return [];
  const rows = actions.map(({ atMs, by, action, reason, before, after }) => [
    `${formatAge(nowMs - atMs)} ago`,
    by,
    action,
    `${before} to ${after}`,
    reason,
  ]);
  return [`${terminal.bold('What operators did')}\n${formatTable(terminal, ACTION_COLUMNS, rows)}`];
}

const ACTION_COLUMNS: readonly Column[] = [
  { title: 'WHEN', right: true },
  { title: 'WHO', share: 1, widthMin: 6 },
  { title: 'WHAT' },
  { title: 'STATE', share: 1, widthMin: 10 },
  { title: 'REASON', share: 3, widthMin: 12 },
];

/** What `--json` prints; see message-json.ts for the promise. */
export function transactionJson({ branches, actions, ...transaction }: TransactionView) {
  return {
    entry: 'transaction' as const,
    ...transaction,
    branches: branches.map(({ heuristic, ...branch }) => ({
      ...branch,
      ...(heuristic !== undefined && {
        heuristic: { outcome: heuristic.outcome, answer: heuristic.answer, at: isoTime(heuristic.atMs) },
      }),
    })),
    actions: actions.map(({ atMs, ...action }) => ({ at: isoTime(atMs), ...action })),
  };
}

export function resourceJson({ resource, mayBeHandled }: ResourceSeen) {
  const { name, sinceMs, ...rest } = resource;
  return { entry: 'resource' as const, resource: name, ...rest, since: isoTime(sinceMs), mayBeHandled };
}
