import type { MessageFilter } from '../../operations/message-filter.ts';
import type { Operations } from '../../operations/operations.ts';
import { leftCount, type ReturnOperation } from '../../operations/return-operation.ts';
import { DEAD_LETTER_QUEUE } from '../dead-letter-queue.ts';
import { MessageNotFound, UsageError } from '../errors.ts';
import { type FilterOptions, filterOf, isEmptyFilter } from '../filter-options.ts';
import { resolveIds } from '../resolve-ids.ts';
import { dryRun } from '../return-dry-run.ts';
import { listReturns, printOperation } from '../return-operations.ts';
import { runReturn } from '../run-return.ts';
import { parseRate } from '../values.ts';
import { type CommonOptions, type ExitCode, type VerbContext, withOperations } from '../verb.ts';

export interface ReturnOptions extends CommonOptions, FilterOptions {
  readonly to?: string;
  readonly rate?: string;
  readonly dryRun?: boolean;
  readonly resume?: string;
  readonly cancel?: string;
  readonly list?: boolean;
}

/**
 * `posthorn return-to-source ERROR_QUEUE (ID… | all)`: sends failed messages back to where they failed.
 *
 * The work is stored as an operation, page by page: killed in the middle and started again with the same words, it goes
 * on where it was. Exit code 1 when a message that was meant stayed where it is.
 */
export async function returnToSource(
  context: VerbContext,
  errorQueue: string | undefined,
  ids: readonly string[],
  options: ReturnOptions,
): Promise<ExitCode> {
  const rate = options.rate === undefined ? undefined : parseRate('--rate', options.rate);
  checkWords(errorQueue, ids, options);
  if (options.list === true) return await listReturns(context, options);
  return await withOperations(context, options, async (operations) => {
    if (options.cancel !== undefined)
      return printOperation(context, await operations.cancelReturn({ id: options.cancel }), options);
    if (options.resume !== undefined) return await finish(context, operations, options.resume, rate, options);
    const wish = await readWish(context, operations, errorQueue, ids, options);
    if (wish === undefined) return 1;
    if (options.dryRun === true) return await dryRun(context, operations, wish, options);
    const started = await operations.startReturn(wish);
    if (started.lookedAt > 0 && options.json !== true) {
      context.terminal.note(`Going on with operation ${started.id}, which had returned ${started.returned}.`);
    }
    const code = await finish(context, operations, started.id, rate, options);
    return wish.isComplete ? code : 1;
  });
}

interface Wish {
  readonly errorQueue: string;
  readonly to: string | undefined;
  readonly filter: MessageFilter;
  /** False when an id that was given is not there. */
  readonly isComplete: boolean;
}

function checkWords(errorQueue: string | undefined, ids: readonly string[], options: ReturnOptions): void {
  const instead = (['list', 'resume', 'cancel'] as const).filter((name) => options[name] !== undefined);
  if (instead.length > 1 || (instead.length === 1 && errorQueue !== undefined)) {
    throw new UsageError(`--${instead[0]} stands alone.`, 'Leave the queue, the ids and the filters out.');
  }
  if (ids.includes('all') && ids.length > 1)
    throw new UsageError("'all' and ids together cannot be meant.", 'Give one of them.');
  if (ids.length > 0 && !ids.includes('all') && !isEmptyFilter(filterOf(options))) {
    throw new UsageError('Ids and filters together cannot be meant.', 'Give one of them.');
  }
}

/** What is to be returned; asks for what the command line leaves open. Undefined when the person changed their mind. */
async function readWish(
  context: VerbContext,
  operations: Operations,
  errorQueue: string | undefined,
  ids: readonly string[],
  options: ReturnOptions,
): Promise<Wish | undefined> {
  const filter = filterOf(options);
  if (errorQueue !== undefined && (ids.length > 0 || !isEmptyFilter(filter))) {
    if (ids.length === 0 || ids[0] === 'all') return { errorQueue, to: options.to, filter, isComplete: true };
    const { found, missing } = await resolveIds(operations, errorQueue, ids);
    for (const id of missing) context.terminal.note(new MessageNotFound(errorQueue, id).message);
    return found.length === 0
      ? undefined
      : { errorQueue, to: options.to, filter: { ids: found }, isComplete: missing.length === 0 };
  }
  if (!context.terminal.canAsk || options.json === true) {
    const isDeadLetter = errorQueue === DEAD_LETTER_QUEUE;
    // 'all' alone means the messages; the queue was left out.
    const queue = errorQueue === 'all' ? undefined : errorQueue;
    throw new UsageError(
      queue === undefined ? 'return-to-source needs the queue to empty.' : 'It has to be said which messages go back.',
      `Write for example: posthorn ${isDeadLetter ? 'dead-letter return' : `return-to-source ${queue ?? 'error'}`} all`,
    );
  }
  const { askWhatToReturn } = await import('../ask-return.ts');
  const answer = await askWhatToReturn(context, operations, errorQueue);
  return answer === undefined ? undefined : { ...answer, to: options.to, isComplete: true };
}

async function finish(
  context: VerbContext,
  operations: Operations,
  id: string,
  rate: number | undefined,
  options: ReturnOptions,
): Promise<ExitCode> {
  const ended: ReturnOperation = await runReturn(context, operations, { id, rate });
  printOperation(context, ended, options);
  return ended.state === 'finished' && leftCount(ended) === 0 ? 0 : 1;
}
