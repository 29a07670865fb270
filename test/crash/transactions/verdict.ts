import type { DatabaseContents } from './databases.ts';

/** What every part of the system holds at the end. */
export interface Ending {
  readonly sent: readonly number[];
  /** Numbers in the output queue; those in the input and error queues, if any. */
  readonly output: readonly number[];
  readonly input: readonly number[];
  readonly failed: readonly number[];
  readonly databases: ReadonlyMap<string, DatabaseContents>;
  /** Keys of transactions that are not settled. */
  readonly records: readonly string[];
}

/** One line for each way in which the parts disagree; none when each message was handled once, everywhere. */
export function findFaults(ending: Ending): string[] {
  const { sent, output, input, failed, databases, records } = ending;
  const faults: string[] = [];
  const note = (what: string, found: readonly (number | string)[]): void => {
    if (found.length > 0)
      faults.push(`${what}: ${found.slice(0, SHOWN_MAX).join(', ')}${found.length > SHOWN_MAX ? ', …' : ''}`);
  };
  note('still in the input queue', input);
  note('in the error queue', failed);
  note('sent on twice', doublesOf(output));
  note('not sent on', missingIn(output, sent));
  for (const [name, contents] of databases) {
    note(`twice in ${name}`, doublesOf(contents.numbers));
    note(`not in ${name}`, missingIn(contents.numbers, sent));
    note(`never sent, but in ${name}`, missingIn(sent, contents.numbers));
    note(`prepared in ${name}`, contents.prepared);
    if (contents.abortRows > 0) faults.push(`abort rows in ${name}: ${contents.abortRows}`);
  }
  note('not settled', records);
  return faults;
}

const SHOWN_MAX = 5;

function doublesOf(numbers: readonly number[]): number[] {
  const seen = new Set<number>();
  const doubles = new Set<number>();
  for (const number of numbers) (seen.has(number) ? doubles : seen).add(number);
  return [...doubles];
}

function missingIn(found: readonly number[], wanted: readonly number[]): number[] {
  const there = new Set(found);
  return wanted.filter((number) => !there.has(number));
}
