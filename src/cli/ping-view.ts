import type { PingDirection, PingReport, PingStep } from '../transfer/ping-report.ts';
import type { Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** Both ways, side by side where the terminal is wide enough, and then what is wrong with the first mend to try. */
export function formatPing(terminal: Terminal, report: PingReport): string {
  const { columns } = terminal;
  const isWide = columns !== undefined && columns >= COLUMNS_SIDE_BY_SIDE_MIN;
  const width = isWide ? Math.floor((columns - GAP.length) / 2) : columns;
  const there = directionLines(report.there, width);
  const back = report.back === undefined ? wrap(report.backText ?? '', width) : directionLines(report.back, width);
  const both = isWide ? sideBySide(there, back, width ?? 0) : [...there, '', ...back];
  return [...both, '', ...verdict(terminal, report)].join('\n');
}

/** True when messages get there and, as far as that was looked at, replies get back. */
export function isWell({ there, back }: PingReport): boolean {
  return [there, back].every(
    (direction) => direction === undefined || (direction.isReached && failed(direction) === undefined),
  );
}

const COLUMNS_SIDE_BY_SIDE_MIN = 110;
const GAP = '   ';

function directionLines(direction: PingDirection, width: number | undefined): readonly string[] {
  const { from, to, name, port, steps } = direction;
  const dialled = port === 0 ? '' : ` (${name}, port ${port})`;
  const head = wrap(`${from} to ${to}${dialled}`, width);
  const isOneAddress = new Set(steps.flatMap(({ address }) => address ?? [])).size <= 1;
  return [...head, ...steps.flatMap((step) => stepLines(isOneAddress ? { ...step, address: undefined } : step, width))];
}

function stepLines({ step, result, text, address, tookMs }: PingStep, width: number | undefined): readonly string[] {
  const isTold = step === 'connect' || (step === 'name' && (tookMs ?? 0) >= SLOW_NAME_MS);
  const took = tookMs === undefined || !isTold ? '' : `, ${Math.max(1, Math.round(tookMs))} ms`;
  const about = address === undefined || text.includes(address) || step === 'clock' ? '' : `${address}: `;
  const head = `  ${RESULT_WORDS[result].padEnd(RESULT_WIDTH)}${STEP_WORDS[step].padEnd(STEP_WIDTH)}`;
  const lines = wrap(`${about}${text}${took}`, width === undefined ? undefined : Math.max(16, width - head.length));
  return lines.map((line, index) => `${index === 0 ? head : ' '.repeat(head.length)}${line}`);
}

const RESULT_WORDS: Readonly<Record<PingStep['result'], string>> = {
  ok: 'ok',
  failed: 'FAILED',
  warning: 'warn',
  skipped: '-',
};
const STEP_WORDS: Readonly<Record<PingStep['step'], string>> = {
  name: 'name',
  connect: 'connect',
  tls: 'TLS',
  identity: 'who',
  version: 'version',
  clock: 'clock',
  roundTrip: 'round trip',
};
const STEP_ORDER = Object.keys(STEP_WORDS);
const RESULT_WIDTH = 8;
/** A name that takes so long costs every connection attempt as much. */
const SLOW_NAME_MS = 100;
const STEP_WIDTH = 12;

function sideBySide(left: readonly string[], right: readonly string[], width: number): readonly string[] {
  const count = Math.max(left.length, right.length);
  return Array.from({ length: count }, (_, index) =>
    `${(left[index] ?? '').padEnd(width)}${GAP}${right[index] ?? ''}`.trimEnd(),
  );
}

function verdict(terminal: Terminal, report: PingReport): readonly string[] {
  const { there, back } = report;
  const directions = back === undefined ? [there] : [there, back];
  const lines: string[] = [];
  for (const direction of directions) {
    const { from, to, isReached, steps } = direction;
    const trouble = failed(direction);
    const state = trouble === undefined && isReached ? 'is well' : `fails: ${trouble?.reason ?? 'not reached'}`;
    lines.push(...wrap(`${from} to ${to} ${state}.`, terminal.columns).map(terminal.bold));
    if (trouble !== undefined) lines.push(...wrap(trouble.text, terminal.columns));
    const mended = [trouble, ...steps.filter(({ result }) => result === 'warning')];
    for (const mend of new Set(mended.flatMap((step) => step?.mend ?? []))) {
      lines.push(...wrap(mend, terminal.columns));
    }
  }
  return lines;
}

/** Of several addresses the one that came furthest: that another machine answers tells more than that one is silent. */
function failed({ steps }: PingDirection): PingStep | undefined {
  const failures = steps.filter(({ result }) => result === 'failed');
  const furthest = Math.max(...failures.map(({ step }) => STEP_ORDER.indexOf(step)));
  return failures.find(({ step }) => STEP_ORDER.indexOf(step) === furthest);
}

/** What `--json` prints; see message-json.ts for the promise. */
export function pingJson(report: PingReport) {
  return { isWell: isWell(report), ...report };
}
