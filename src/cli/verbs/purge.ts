import type { Operations } from '../../operations/operations.ts';
import { UsageError } from '../errors.ts';
import { describeFilter, type FilterOptions, filterOf } from '../filter-options.ts';
import { countOf } from '../format.ts';
import { type CommonOptions, type ExitCode, type VerbContext, withOperations } from '../verb.ts';
import { workThrough } from '../work-through.ts';
import { type PlaceOptions, placeKindOf } from './peek.ts';

export interface PurgeOptions extends CommonOptions, FilterOptions, PlaceOptions {
  readonly yes?: boolean;
}

/** `posthorn purge QUEUE`: removes messages for good. Asks first; where nobody can be asked, `--yes` has to be given. */
export function purge(context: VerbContext, queue: string, options: PurgeOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const filter = filterOf(options);
    const what = `${describeFilter(filter) === 'all' ? 'all messages' : `messages with ${describeFilter(filter)}`} of '${queue}'`;
    if (options.yes !== true && !(await isSure(context, operations, queue, what))) {
      context.terminal.note('Nothing was done.');
      return 1;
    }
    const kind = placeKindOf(options);
    return await workThrough(context, operations, options, {
      queue,
      doing: 'Purging',
      page: (afterPosition, sequenceMax) => operations.purgePage({ queue, kind, filter, afterPosition, sequenceMax }),
      done: (count) => `Removed ${countOf(count, 'message')} from '${queue}'.`,
      result: (count) => ({ queue, purged: count }),
    });
  });
}

async function isSure(context: VerbContext, operations: Operations, queue: string, what: string): Promise<boolean> {
  if (!context.terminal.canAsk) {
    throw new UsageError(`purge removes ${what} for good, and nobody can be asked here.`, 'Add --yes.');
  }
  const { confirm, isCancel } = await import('@clack/prompts');
  const { queues } = await operations.describeQueues({});
  const count = queues.find((known) => known.queue === queue)?.messages;
  const message = `Remove ${what}${count === undefined ? '' : `, where ${countOf(count, 'message waits', 'messages wait')}`}? This cannot be undone.`;
  const answer = await confirm({ message, initialValue: false, output: process.stderr });
  return !isCancel(answer) && answer;
}
