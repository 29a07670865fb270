import type { OutgoingDescription } from '../operations/operations.ts';
import { formatFacts } from './facts.ts';
import { countOf, formatAge, formatBytes, formatCount, isoTime, readableTime } from './format.ts';
import { type Column, formatTable } from './table.ts';
import { harmless, type Terminal } from './terminal.ts';

/** One line for each outgoing queue. */
export function formatOutgoing(terminal: Terminal, queues: readonly OutgoingDescription[]): string {
  const isNarrow = terminal.columns !== undefined && terminal.columns < 100;
  return formatTable(
    terminal,
    COLUMNS,
    queues.map((status) => rowOf(status, isNarrow)),
  );
}

const COLUMNS: readonly Column[] = [
  { title: 'QUEUE', share: 4, widthMin: 12 },
  // So that CONNECTED and CONNECTING can be told apart.
  { title: 'STATE', share: 2, widthMin: 10 },
  { title: 'WHY', share: 4, widthMin: 9 },
  { title: 'NEXT HOP', share: 4, widthMin: 9 },
  { title: 'WAITING', right: true },
  { title: 'UNACK', right: true },
  { title: 'OLDEST', right: true },
  { title: 'NEXT', right: true },
];

function rowOf(status: OutgoingDescription, isNarrow: boolean): string[] {
  const { name, address, port } = status.nextHop;
  return [
    status.queue,
    status.state,
    status.why ?? '',
    // Everybody knows the usual port; it stands in the whole story too.
    isNarrow && port === PORT_USUAL ? (address ?? name) : placeOf(status.nextHop),
    formatCount(status.messages),
    formatCount(status.unacknowledged),
    formatAge(status.oldestAgeMs),
    status.nextAttemptInMs === undefined ? '' : formatAge(Math.max(0, status.nextAttemptInMs)),
  ];
}

const PORT_USUAL = 1801;

/** Everything about one outgoing queue. */
export function formatOutgoingStory(terminal: Terminal, status: OutgoingDescription, nowMs: number): string {
  const facts = formatFacts(terminal, factsOf(status));
  if (status.attempts.length === 0) return facts;
  const attempts = formatTable(
    terminal,
    ATTEMPT_COLUMNS,
    status.attempts.map(({ atMs, name, address, port, outcome, text }) => [
      `${formatAge(nowMs - atMs)}${nowMs - atMs < 1000 ? '' : ' ago'}`,
      placeOf({ name, address, port }),
      outcome,
      text,
    ]),
  );
  return `${facts}\n\n${terminal.bold('Last attempts')}\n${attempts}`;
}

const ATTEMPT_COLUMNS: readonly Column[] = [
  { title: 'WHEN', right: true },
  { title: 'WHERE', share: 2, widthMin: 13 },
  { title: 'OUTCOME', share: 2, widthMin: 9 },
  { title: 'WHAT', share: 4, widthMin: 12 },
];

function factsOf(status: OutgoingDescription): readonly (readonly [string, string | undefined])[] {
  const { name, address, port } = status.nextHop;
  return [
    ['Queue', status.queue],
    ['State', status.reason === undefined ? status.state : `${status.state}, ${status.reason}`],
    ['Now', status.text],
    ['What to do', status.mend],
    ['Next hop', `${name}${address === undefined || address === name ? '' : `, ${address}`}, port ${port}`],
    ['Messages', messagesOf(status)],
    ['Oldest', status.oldestAgeMs === undefined ? undefined : formatAge(status.oldestAgeMs)],
    ['Arrived', arrivedOf(status)],
    ['Next attempt', nextAttemptOf(status)],
    ['Attempts', attemptsOf(status)],
    ['Epoch', status.epoch],
  ];
}

function messagesOf({ messages, bytes, delayed, unacknowledged, state }: OutgoingDescription): string {
  const sent = state === 'CONNECTED' ? 'sent and not acknowledged yet' : 'sent, and not known to have arrived';
  return [
    messages === 0 ? 'none' : `${formatCount(messages)} (${formatBytes(bytes)})`,
    ...(unacknowledged === 0 ? [] : [`${formatCount(unacknowledged)} of them ${sent}`]),
    ...(delayed === 0 ? [] : [`${formatCount(delayed)} delayed`]),
  ].join(', ');
}

function arrivedOf({ acknowledged, lastAcknowledgedAgoMs }: OutgoingDescription): string | undefined {
  if (acknowledged === 0) return undefined;
  const last = lastAcknowledgedAgoMs === undefined ? '' : `, the last one ${ago(lastAcknowledgedAgoMs)}`;
  return `${countOf(acknowledged, 'message')} since the queue manager started${last}`;
}

function nextAttemptOf({ nextAttemptInMs, attempt }: OutgoingDescription): string | undefined {
  if (nextAttemptInMs === undefined) return undefined;
  return `${nextAttemptInMs < 1000 ? 'now' : `in ${formatAge(nextAttemptInMs)}`}, number ${formatCount(attempt)}`;
}

function attemptsOf({ attemptCounts }: OutgoingDescription): string | undefined {
  const counts = Object.entries(attemptCounts).sort(([, one], [, other]) => other - one);
  return counts.length === 0
    ? undefined
    : counts.map(([outcome, count]) => `${formatCount(count)} ${outcome}`).join(', ');
}

function ago(ageMs: number): string {
  return ageMs < 1000 ? 'just now' : `${formatAge(ageMs)} ago`;
}

function placeOf({ name, address, port }: OutgoingDescription['nextHop']): string {
  const host = address ?? name;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A line of the log that `--watch` writes where nobody looks at a terminal. */
export function formatOutgoingChange(status: OutgoingDescription, nowMs: number): string {
  const reason = status.reason === undefined ? '' : ` ${status.reason}`;
  const counts = `${formatCount(status.messages)} waiting, ${formatCount(status.unacknowledged)} unacknowledged`;
  return harmless(`${readableTime(nowMs)}  ${status.queue}  ${status.state}${reason}  ${counts}  ${status.text}`);
}

/** Equal texts mean that nothing changed which a log should hold; counts and ages that merely go on are left out. */
export function outgoingMark(status: OutgoingDescription): string {
  const { state, reason, nextHop, attempt, messages } = status;
  return JSON.stringify([state, reason, nextHop.name, nextHop.address, nextHop.port, attempt, messages === 0]);
}

/** What `--json` prints; see message-json.ts for the promise. */
export function outgoingJson(status: OutgoingDescription) {
  return { ...status, attempts: status.attempts.map(({ atMs, ...attempt }) => ({ at: isoTime(atMs), ...attempt })) };
}
