import { faults } from '../report.ts';
import { isFaultless, type MachinesVerdict } from './verdict.ts';
import type { Machine } from './workload.ts';

export interface MachinesReport {
  readonly seed: number;
  readonly minimum: number;
  readonly machines: readonly MachineReport[];
  readonly verdict: MachinesVerdict;
  readonly seconds: number;
}

export interface MachineReport {
  readonly machine: Machine;
  /** Taken from the other machine and handled before the last lives: traffic went on between the kills. */
  readonly doneWhileKilled: number;
  readonly kills: number;
  readonly killsByFailpoint: Readonly<Record<string, number>>;
  readonly killsAtRandomMoments: number;
  /** Of all kills, those before the process took and sent messages: in the middle of its recovery. */
  readonly killsBeforeReady: number;
  /** Processes that ended in a way that nobody asked for, each with what it wrote. */
  readonly unexpectedEnds: readonly string[];
  /** What reconciliation told, and how often. */
  readonly events: Readonly<Record<string, number>>;
}

export function isPassed({ verdict, minimum, machines }: MachinesReport): boolean {
  const didEnough = verdict.accepted >= minimum && verdict.handled >= minimum;
  return isFaultless(verdict) && didEnough && machines.every(isWell);
}

function isWell({ killsByFailpoint, unexpectedEnds, events, doneWhileKilled }: MachineReport): boolean {
  const isReached = Object.values(killsByFailpoint).every((kills) => kills > 0);
  return doneWhileKilled > 0 && isReached && unexpectedEnds.length === 0 && Object.keys(events).every(isExpected);
}

/** Only the stream that was forgotten on purpose begins anew. */
function isExpected(event: string): boolean {
  return event.startsWith('PEER_LOST_DATA renewed@');
}

export function describeReport(report: MachinesReport): string[] {
  const { verdict, machines, seed, seconds, minimum } = report;
  const kills = machines.reduce((sum, machine) => sum + machine.kills, 0);
  return [
    `${kills} kills of ${machines.length} machines in ${seconds.toFixed(0)} s (seed ${seed})`,
    ...machines.flatMap(describeMachine),
    ...describeFailpoints(machines),
    '',
    `accepted ${verdict.accepted}, handled at the other machine ${verdict.handled}, dead-lettered ${verdict.deadLettered}` +
      (Math.min(verdict.accepted, verdict.handled) < minimum ? `  TOO FEW, at least ${minimum}` : ''),
    ...Object.entries(verdict.byKind).map(
      ([kind, counts]) =>
        `  ${kind.padEnd(8)} handled ${String(counts.handled).padStart(6)}, dead-lettered ${String(counts.deadLettered).padStart(5)}`,
    ),
    `never answered and there all the same ${verdict.unansweredButThere}, ` +
      `repeated over a forgotten stream and marked ${verdict.repeatedAndMarked}`,
    ...faults('lost', verdict.lost),
    ...faults('doubled', verdict.doubled),
    ...faults('half units', verdict.halfUnits),
    ...faults('out of order', verdict.outOfOrder),
    ...faults('misplaced', verdict.misplaced),
    ...faults(
      'unexpected ends of processes',
      machines.flatMap(({ unexpectedEnds }) => unexpectedEnds),
    ),
    '',
    isPassed(report) ? 'passed' : 'FAILED',
  ];
}

function describeMachine(machine: MachineReport): string[] {
  const { kills, killsAtRandomMoments, killsBeforeReady, events, doneWhileKilled } = machine;
  return [
    `${machine.machine}: ${kills} kills, ${kills - killsAtRandomMoments} at failpoints, ${killsAtRandomMoments} at random ` +
      `moments or with the other; ${killsBeforeReady} before it was ready; handled ${doneWhileKilled} between the kills`,
    ...Object.entries(events).map(
      ([event, times]) => `  ${times} × ${event}${isExpected(event) ? '' : '  NOT EXPECTED'}`,
    ),
  ];
}

function describeFailpoints(machines: readonly MachineReport[]): string[] {
  const names = Object.keys(machines[0]?.killsByFailpoint ?? {});
  return names.map((name) => {
    const counts = machines.map(({ killsByFailpoint }) => killsByFailpoint[name] ?? 0);
    const columns = counts.map((count) => String(count).padStart(4)).join('');
    return `${columns}  ${name}${counts.includes(0) ? '  NOT REACHED BY BOTH' : ''}`;
  });
}
