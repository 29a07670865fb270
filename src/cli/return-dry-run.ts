import type { MessageFilter } from '../operations/message-filter.ts';
import type { Operations } from '../operations/operations.ts';
import { countOf, formatCount } from './format.ts';
import { messagePages } from './message-pages.ts';
import { formatTable } from './table.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext } from './verb.ts';

/** Says what return-to-source would do; changes nothing. */
export async function dryRun(
  context: VerbContext,
  operations: Operations,
  wish: { readonly errorQueue: string; readonly to: string | undefined; readonly filter: MessageFilter },
  options: CommonOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const destinations = new Map<string, number>();
  const left = { noSource: 0, locked: 0 };
  for await (const page of messagePages(operations, { queue: wish.errorQueue, filter: wish.filter })) {
    for (const { failure, deadLetter, isLocked } of page.messages) {
      const destination = wish.to ?? deadLetter?.source ?? failure?.failedQueue;
      if (isLocked) left.locked++;
      else if (destination === undefined) left.noSource++;
      else destinations.set(destination, (destinations.get(destination) ?? 0) + 1);
    }
  }
  const counts = [...destinations]
    .map(([destination, count]) => ({ destination, count }))
    .sort((one, other) => other.count - one.count);
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  if (options.json === true) {
    printJson(terminal, { dryRun: true, queue: wish.errorQueue, total, destinations: counts, left });
    return 0;
  }
  terminal.print(`Would return ${countOf(total, 'message')} from '${wish.errorQueue}'; nothing was done.`);
  if (counts.length > 0)
    terminal.print(
      `\n${formatTable(
        terminal,
        COLUMNS,
        counts.map(({ destination, count }) => [destination, formatCount(count)]),
      )}`,
    );
  if (left.noSource > 0)
    terminal.print(
      `\n${countOf(left.noSource, 'message')} without ${'NServiceBus.FailedQ'} would stay; name a queue with --to.`,
    );
  if (left.locked > 0) terminal.print(`\n${countOf(left.locked, 'message')} held by a receiver would stay.`);
  return 0;
}

const COLUMNS = [
  { title: 'TO', share: 1 },
  { title: 'MESSAGES', right: true },
] as const;
