import type { Failpoint } from '../../src/io/failpoint.ts';
import { isFaultless, type Verdict } from './verdict.ts';

export interface Report {
  readonly seed: number;
  readonly kills: number;
  readonly killsByFailpoint: Readonly<Partial<Record<Failpoint, number>>>;
  readonly killsAtRandomMoments: number;
  /** Of all kills, those before the process had opened its queue manager and started its endpoints. */
  readonly killsBeforeReady: number;
  readonly minimum: number;
  readonly verdict: Verdict;
  /** Processes that ended in a way that nobody asked for, each with what it wrote. */
  readonly unexpectedEnds: readonly string[];
  readonly seconds: number;
}

export function isPassed(report: Report): boolean {
  const { verdict, minimum, killsByFailpoint, unexpectedEnds } = report;
  const reachedAll = Object.values(killsByFailpoint).every((kills) => kills > 0);
  const didEnough = verdict.accepted >= minimum && verdict.handled >= minimum;
  return isFaultless(verdict) && reachedAll && didEnough && unexpectedEnds.length === 0;
}

export function describeReport(report: Report): string[] {
  const { verdict } = report;
  const failpoints = Object.entries(report.killsByFailpoint);
  return [
    `${report.kills} kills in ${report.seconds.toFixed(0)} s (seed ${report.seed}): ` +
      `${report.kills - report.killsAtRandomMoments} at failpoints, ${report.killsAtRandomMoments} at random moments; ` +
      `${report.killsBeforeReady} before the process was ready`,
    ...failpoints.map(
      ([name, kills]) => `  ${String(kills).padStart(4)}  ${name}${kills === 0 ? '  NOT REACHED' : ''}`,
    ),
    '',
    `accepted ${verdict.accepted}, handled ${verdict.handled}, sent by handlers ${verdict.sent}, failed ${verdict.failed}` +
      (Math.min(verdict.accepted, verdict.handled) < report.minimum ? `  TOO FEW, at least ${report.minimum}` : ''),
    `never answered and there all the same ${verdict.unansweredButThere}, repeated in mode receiveOnly ${verdict.repeatedInReceiveOnly}`,
    ...faults('lost', verdict.lost),
    ...faults('doubled', verdict.doubled),
    ...faults('half units', verdict.halfUnits),
    ...faults('misplaced', verdict.misplaced),
    ...faults('unexpected ends of processes', report.unexpectedEnds),
    '',
    isPassed(report) ? 'passed' : 'FAILED',
  ];
}

const EXAMPLES_MAX = 10;

/** How many were found, and the first few. */
export function faults(what: string, found: readonly string[]): string[] {
  const examples = found.slice(0, EXAMPLES_MAX).map((example) => `    ${example}`);
  const rest = found.length - examples.length;
  return [`${what} ${found.length}`, ...examples, ...(rest > 0 ? [`    and ${rest} more`] : [])];
}
