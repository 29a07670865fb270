import type { Operations, WorkedPage } from '../operations/operations.ts';
import { countOf } from './format.ts';
import { Interruption } from './interruption.ts';
import { pages } from './message-pages.ts';
import { Progress } from './progress.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext } from './verb.ts';

/** Work on a queue, page by page, on what is there when it begins. */
export interface QueueWork {
  readonly queue: string;
  /** For the progress bar. */
  readonly doing: string;
  page(afterPosition: number | undefined, sequenceMax: number): Promise<WorkedPage>;
  /** The result in words and in JSON. */
  done(count: number): string;
  result(count: number): object;
  /** What is said, with exit code 1, when nothing was there to work on; undefined: that is no failure. */
  readonly nothing?: string | undefined;
}

/** Does the work; exit code 1 when messages that a receiver holds had to stay, when the person interrupted it, and as `nothing` says. */
export async function workThrough(
  context: VerbContext,
  operations: Operations,
  options: CommonOptions,
  work: QueueWork,
): Promise<ExitCode> {
  const { io, terminal } = context;
  const { highestSequence } = await operations.describeManager();
  const progress = new Progress(terminal, io, work.doing);
  const interruption = new Interruption();
  let count = 0;
  let locked = 0;
  let lookedAt = 0;
  try {
    for await (const page of pages((afterPosition) => work.page(afterPosition, highestSequence))) {
      count += page.done;
      locked += page.locked;
      lookedAt += page.lookedAt;
      await progress.show(lookedAt, lookedAt + (page.isLast ? 0 : 1), countOf(count, 'message'));
      if (interruption.happened) break;
    }
  } finally {
    progress.end();
    interruption.stopListening();
  }
  const isInVain = work.nothing !== undefined && count + locked === 0 && !interruption.happened;
  if (options.json === true) {
    printJson(terminal, { ...work.result(count), locked, isComplete: !interruption.happened });
  } else {
    terminal.print(isInVain ? (work.nothing ?? '') : work.done(count));
    if (locked > 0)
      terminal.print(`${countOf(locked, 'message')} stayed: a receiver holds ${locked === 1 ? 'it' : 'them'}.`);
    if (interruption.happened) terminal.print('Interrupted; the rest was not touched.');
  }
  return locked > 0 || interruption.happened || isInVain ? 1 : 0;
}
