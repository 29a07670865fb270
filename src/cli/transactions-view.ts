import type { BranchView, ResourceView, TransactionView } from '../transactions/transaction-view.ts';
import { formatAge, formatCount, readableTime } from './format.ts';
import { describeMayBeHandled, HANDLED_BEFORE, type MayBeHandled } from './may-be-handled.ts';
import { type Column, formatTable } from './table.ts';
import type { Terminal } from './terminal.ts';
import {
  BRANCH_WORDS,
  describeBranch,
  describeHeldSends,
  describeTarget,
  RESOURCE_WORDS,
  STATE_WORDS,
} from './transaction-words.ts';
import { wrap } from './wrap.ts';

/** What `transactions list` shows. */
export interface TransactionsSeen {
  readonly resources: readonly ResourceSeen[];
  readonly transactions: readonly TransactionView[];
}

export interface ResourceSeen {
  readonly resource: ResourceView;
  readonly mayBeHandled: MayBeHandled | undefined;
}

/** Databases that need somebody above, then a line for each transaction, and under it what is known of one that lasts. */
export function formatTransactions(terminal: Terminal, seen: TransactionsSeen, nowMs: number): string {
  const troubled = seen.resources.filter(({ resource }) => resource.state !== 'ready');
  const blocks = troubled
    .toSorted((one, other) => Number(isFenced(other)) - Number(isFenced(one)))
    .map((each) => resourceLines(terminal, each, nowMs).join('\n'));
  if (seen.transactions.length > 0) blocks.push(tableOf(terminal, seen.transactions).join('\n'));
  else blocks.push('No transaction is open or waits for a database.');
  return blocks.join('\n\n');
}

function isFenced({ resource }: ResourceSeen): boolean {
  return resource.state === 'fenced';
}

function resourceLines(terminal: Terminal, seen: ResourceSeen, nowMs: number): readonly string[] {
  const { resource, mayBeHandled } = seen;
  const { name, state, sinceMs, sentence, endpoints } = resource;
  const since = sinceMs === undefined ? '' : ` since ${readableTime(sinceMs)} (${formatAge(nowMs - sinceMs)})`;
  const target = describeTarget(resource);
  const head = `${name}: ${RESOURCE_WORDS[state]}${since}${target === undefined ? '' : `; ${target}`}`;
  const details = [sentence, ...(state === 'fenced' ? fencedSentences(name, endpoints, mayBeHandled) : [])];
  return [
    ...wrap(head, terminal.columns).map(terminal.bold),
    ...details.flatMap((text) => (text === undefined ? [] : indented(terminal, text))),
  ];
}

/** What an operator asks next: how many messages, who stands still, and what to type. */
function fencedSentences(
  name: string,
  endpoints: readonly string[],
  mayBeHandled: MayBeHandled | undefined,
): readonly string[] {
  return [
    ...(mayBeHandled === undefined ? [] : [describeMayBeHandled(mayBeHandled)]),
    ...(endpoints.length === 0 ? [] : [`Receiving nothing meanwhile: ${endpoints.join(', ')}.`]),
    ...(hasSome(mayBeHandled) ? [`Which they are: posthorn transactions show ${name}.`] : []),
    afterFence(name, mayBeHandled),
  ];
}

/** Every command works as it stands, once its capitals are filled in. */
export function afterFence(name: string, mayBeHandled: MayBeHandled | undefined): string {
  const forget = `posthorn transactions forget ${name} --reason TEXT`;
  if (!hasSome(mayBeHandled)) return `When everything is sorted out: ${forget}`;
  return `Take those that were handled out: posthorn queues create ${HANDLED_BEFORE}, and for each posthorn move QUEUE ${HANDLED_BEFORE} --id ID, with --delayed for one that is delayed. Then: ${forget}`;
}

function hasSome(mayBeHandled: MayBeHandled | undefined): boolean {
  return mayBeHandled !== undefined && (mayBeHandled.queues.length > 0 || !mayBeHandled.isComplete);
}

function tableOf(terminal: Terminal, transactions: readonly TransactionView[]): readonly string[] {
  const [title = '', ...rows] = formatTable(terminal, COLUMNS, transactions.map(rowOf)).split('\n');
  return [
    title,
    ...transactions.flatMap((transaction, index) => [
      rows[index] ?? '',
      ...(PASSING.has(transaction.state) ? [] : detailLines(terminal, transaction)),
    ]),
  ];
}

/** They come and go by themselves, many a second on a busy machine. */
const PASSING: ReadonlySet<TransactionView['state']> = new Set(['active', 'preparing']);

const COLUMNS: readonly Column[] = [
  // All ids of a queue manager begin alike.
  { title: 'ID', share: 3, widthMin: 21, cutsStart: true },
  { title: 'AGE', right: true },
  { title: 'STATE' },
  { title: 'ENDPOINT', share: 2, widthMin: 8 },
  { title: 'MESSAGE', share: 2, widthMin: 8 },
  { title: 'DATABASES', share: 2, widthMin: 9 },
  { title: 'HELD', right: true },
];

function rowOf(transaction: TransactionView): string[] {
  const { id, ageMs, state, endpoint, messageId, branches, heldSends } = transaction;
  return [
    id,
    formatAge(ageMs),
    STATE_WORDS[state],
    endpoint ?? '',
    messageId ?? '',
    [...new Set(branches.map(({ resource }) => resource))].join(', '),
    formatCount(heldSends.reduce((sum, { messages }) => sum + messages, 0)),
  ];
}

function detailLines(terminal: Terminal, transaction: TransactionView): readonly string[] {
  const held = describeHeldSends(transaction);
  return [
    ...transaction.branches.flatMap((branch) => indented(terminal, branchLine(transaction, branch))),
    ...indented(terminal, transaction.sentence),
    ...(held === undefined ? [] : indented(terminal, `Held until then: ${held}.`)),
  ];
}

/** What the sentence tells of a database is not told twice; how one came to its end stands in the whole story. */
function branchLine({ sentence }: TransactionView, branch: BranchView): string {
  const { resource, state, lastAnswer, heuristic } = branch;
  const answer = heuristic?.answer ?? lastAnswer;
  const isTold = answer !== undefined && sentence.includes(answer);
  return `${resource}: ${isTold || state === 'committed' ? BRANCH_WORDS[state] : describeBranch(branch)}`;
}

function indented(terminal: Terminal, text: string): readonly string[] {
  const width = terminal.columns === undefined ? undefined : terminal.columns - INDENT.length;
  return wrap(text, width).map((line) => `${INDENT}${line}`);
}

const INDENT = '    ';
