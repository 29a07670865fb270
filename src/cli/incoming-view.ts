import type { IncomingDescription } from '../operations/operations.ts';
import { countOf, formatAge, formatCount, isoTime, readableTime } from './format.ts';
import { type Column, formatTable } from './table.ts';
import { harmless, type Terminal } from './terminal.ts';
import type { WatchedEntry } from './watch.ts';
import { wrap } from './wrap.ts';

/** Who can come in, who has, and who was refused. */
export function formatIncoming(terminal: Terminal, status: IncomingDescription, nowMs: number): string {
  return [
    ...listenersOf(terminal, status, nowMs),
    '',
    ...linksOf(terminal, status, nowMs),
    '',
    ...refusalsOf(terminal, status, nowMs),
  ].join('\n');
}

/** True when machines that should get in do not. */
export function isDeaf({ isRunning, listeners }: IncomingDescription): boolean {
  return !isRunning || listeners.some(({ state }) => state !== 'LISTENING');
}

function listenersOf(terminal: Terminal, status: IncomingDescription, nowMs: number): readonly string[] {
  const { machine, isRunning, listeners } = status;
  if (!isRunning) return [`${machine}: no queue manager runs, so nobody can connect.`];
  if (listeners.length === 0) {
    return wrap(
      `${machine} takes no connections: 'listen' is not set, in the options of QueueManager.open or in network.json. Other machines can send nothing here.`,
      terminal.columns,
    );
  }
  const rows = listeners.map(({ address, port, state, isEncrypted, sinceMs, reachableAt }) => [
    address,
    String(port),
    state,
    isEncrypted ? 'yes' : 'no',
    sinceMs === undefined ? '' : formatAge(nowMs - sinceMs),
    reachableAt.join(', '),
  ]);
  const troubles = listeners.filter(({ state }) => state !== 'LISTENING');
  return [
    terminal.bold(`${machine} listens`),
    formatTable(terminal, LISTENER_COLUMNS, rows),
    ...troubles.flatMap(({ text }) => wrap(text, terminal.columns)),
  ];
}

const LISTENER_COLUMNS: readonly Column[] = [
  { title: 'ADDRESS', share: 1, widthMin: 9 },
  { title: 'PORT', right: true },
  { title: 'STATE', share: 2, widthMin: 9 },
  { title: 'TLS' },
  { title: 'SINCE', right: true },
  { title: 'ANSWERS AT', share: 2, widthMin: 12 },
];

function linksOf(terminal: Terminal, { links }: IncomingDescription, nowMs: number): readonly string[] {
  if (links.length === 0) return ['No machine is connected to this one.'];
  const rows = links.map((link) => [
    link.machine,
    `${bracketed(link.remoteAddress)}:${link.remotePort}`,
    link.localAddress,
    link.isEncrypted ? 'yes' : 'no',
    formatAge(nowMs - link.sinceMs),
    formatAge(link.heardAgoMs),
    link.streams.map(({ queue }) => queue).join(', '),
    formatCount(link.streams.reduce((sum, { received }) => sum + received, 0)),
  ]);
  return [terminal.bold('Connected to it'), formatTable(terminal, LINK_COLUMNS, rows)];
}

const LINK_COLUMNS: readonly Column[] = [
  { title: 'MACHINE', share: 2, widthMin: 8 },
  { title: 'FROM', share: 2, widthMin: 12 },
  { title: 'TO', share: 2, widthMin: 9 },
  { title: 'TLS' },
  { title: 'SINCE', right: true },
  { title: 'HEARD', right: true },
  { title: 'QUEUES', share: 2, widthMin: 8 },
  { title: 'RECEIVED', right: true },
];

/** Two lines each, so that the whole reason can be read. */
function refusalsOf(terminal: Terminal, status: IncomingDescription, nowMs: number): readonly string[] {
  const { refusals, refusedCount } = status;
  if (refusedCount === 0) return ['No connection was refused.'];
  const width = terminal.columns === undefined ? undefined : terminal.columns - INDENT.length;
  const shown = refusals.slice(0, REFUSALS_SHOWN);
  return [
    terminal.bold(`Refused: ${countOf(refusedCount, 'connection')} since the queue manager started`),
    ...shown.flatMap(({ atMs, remoteAddress, claimedMachine, code, text }) => {
      const claim = claimedMachine === undefined ? 'said no name' : `says it is ${claimedMachine}`;
      const age = nowMs - atMs < 1000 ? 'just now' : `${formatAge(nowMs - atMs)} ago`;
      return [
        ...wrap(`${age}, ${remoteAddress}, ${claim}: ${code}`, terminal.columns),
        ...wrap(text, width).map((line) => `${INDENT}${line}`),
      ];
    }),
    ...(refusals.length > shown.length ? [`… ${refusals.length - shown.length} more with --json`] : []),
  ];
}

const INDENT = '    ';
const REFUSALS_SHOWN = 10;

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** What `--json` prints; see message-json.ts for the promise. */
export function incomingJson(status: IncomingDescription) {
  const { machine, isRunning, listeners, links, refusals, refusedCount } = status;
  return {
    machine,
    isRunning,
    listeners: listeners.map(({ sinceMs, ...listener }) => ({ ...listener, since: isoTime(sinceMs) })),
    links: links.map(({ sinceMs, ...link }) => ({ ...link, since: isoTime(sinceMs) })),
    refusedCount,
    refusals: refusals.map(({ atMs, ...refusal }) => ({ at: isoTime(atMs), ...refusal })),
  };
}

/** For a log of changes: each listener, each machine that comes and goes, each new refusal. */
export function incomingChanges(status: IncomingDescription, nowMs: number): readonly WatchedEntry[] {
  const { machine: own, isRunning, listeners, links } = incomingJson(status);
  const at = isoTime(nowMs);
  const time = readableTime(nowMs);
  const entries: WatchedEntry[] = [
    {
      name: 'running',
      mark: String(isRunning),
      line: `${time}  ${own}: ${isRunning ? 'the queue manager runs' : 'no queue manager runs'}`,
      json: { event: 'running', at, machine: own, isRunning },
    },
  ];
  for (const listener of listeners) {
    const { address, port, state, text } = listener;
    entries.push({
      name: `listener ${address} ${port}`,
      mark: state,
      line: `${time}  ${bracketed(address)}:${port}  ${state}  ${text}`.trimEnd(),
      json: { event: 'listener', at, ...listener },
    });
  }
  for (const { machine, remoteAddress, remotePort } of links) {
    const from = `${bracketed(remoteAddress)}:${remotePort}`;
    const json = { at, machine, remoteAddress, remotePort };
    entries.push({
      name: `link ${machine} ${from}`,
      mark: '',
      line: `${time}  ${machine} is connected from ${from}`,
      json: { event: 'connected', ...json },
      gone: { line: `${time}  ${machine} was connected from ${from}`, json: { event: 'disconnected', ...json } },
    });
  }
  for (const { atMs, ...refusal } of status.refusals.toReversed()) {
    const { remoteAddress, claimedMachine, code, text } = refusal;
    const claim = claimedMachine === undefined ? '' : ` (says it is ${claimedMachine})`;
    entries.push({
      name: `refusal ${atMs} ${remoteAddress} ${code}`,
      mark: '',
      line: `${readableTime(atMs)}  refused ${remoteAddress}${claim}  ${code}  ${text}`,
      json: { event: 'refused', at: isoTime(atMs), ...refusal },
    });
  }
  return entries.map((entry) => ({ ...entry, line: harmless(entry.line) }));
}
