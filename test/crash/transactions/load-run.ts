import type { DatabaseKind } from '../../../tools/databases/database-pair.ts';
import type { CrashDatabases } from './databases.ts';
import { TransactionsStory } from './story.ts';

/**
 * An afternoon's load: many transactions, and a process that is killed again and again in the middle of them. The last one
 * brings all to an end; then every part must hold every message once.
 */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const { databases, directory, kinds, messages, handledPerKill, tell } = options;
  const startedMs = performance.now();
  using story = await TransactionsStory.begin({ databases, directory, kinds, messages, concurrency: 8 });
  let kills = 0;
  // What is told is a little behind, and what was under way at a kill is handled by the next life.
  for (let left = messages; left >= 2 * handledPerKill; kills++) {
    tell(`${kinds.join(' + ')}: ${left} of ${messages} messages left, ${kills} kills`);
    const end = await story.dieAfter(handledPerKill);
    if (end.signal !== 'SIGKILL') throw new Error(`A process ended by itself with ${end.code}: ${end.errorText}`);
    left -= end.handledCount + HANDLED_UNTOLD;
  }
  const faults = await story.finish();
  return { kinds, messages, kills, faults, seconds: (performance.now() - startedMs) / 1000 };
}

/** A life tells every 25; so many more it may have handled. */
const HANDLED_UNTOLD = 25;

export interface LoadOptions {
  readonly databases: CrashDatabases;
  readonly directory: string;
  readonly kinds: readonly DatabaseKind[];
  readonly messages: number;
  /** A life ends when it has handled so many. */
  readonly handledPerKill: number;
  tell(progress: string): void;
}

export interface LoadReport {
  readonly kinds: readonly DatabaseKind[];
  readonly messages: number;
  readonly kills: number;
  readonly faults: readonly string[];
  readonly seconds: number;
}

export function describeLoad({ kinds, messages, kills, faults, seconds }: LoadReport): string[] {
  const what = `${messages} transactions over ${kinds.join(' and ')}, ${kills} kills, ${seconds.toFixed(0)} s`;
  return faults.length === 0
    ? [`✔ ${what}: every row has its message, nothing is prepared`]
    : [`✖ ${what}`, ...faults.map((fault) => `    ${fault}`)];
}
