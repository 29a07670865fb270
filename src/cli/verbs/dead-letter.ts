import type { MessageSummary } from '../../operations/message-summary.ts';
import { DEAD_LETTER_QUEUE } from '../dead-letter-queue.ts';
import { UsageError } from '../errors.ts';
import { type FilterOptions, filterOf } from '../filter-options.ts';
import { findMessage } from '../find-message.ts';
import { formatAge } from '../format.ts';
import { type ListOptions, listMessages } from '../list-messages.ts';
import { printMessage } from '../print-message.ts';
import type { Column } from '../table.ts';
import { type CommonOptions, type ExitCode, type VerbContext, withOperations } from '../verb.ts';
import { withoutMachine } from './errors.ts';
import { type ReturnOptions, returnToSource } from './return-to-source.ts';

export interface DeadLetterOptions extends CommonOptions, FilterOptions, ListOptions {}

/** `posthorn dead-letter list`: what could not be delivered, and why. */
export function listDeadLetters(context: VerbContext, options: DeadLetterOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const manager = await operations.describeManager();
    if (!manager.queues.includes(DEAD_LETTER_QUEUE)) return noDeadLetters(context, options);
    const nowMs = context.io.clock.wallNowMs();
    return await listMessages(
      context,
      operations,
      { queue: DEAD_LETTER_QUEUE, filter: filterOf(options) },
      {
        ...options,
        columns: COLUMNS,
        row: (message) => rowOf(message, nowMs, manager.machine),
      },
    );
  });
}

/** `posthorn dead-letter show ID`: one dead letter whole. */
export function showDeadLetter(context: VerbContext, id: string, options: CommonOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const queue = DEAD_LETTER_QUEUE;
    return printMessage(context, { queue }, await findMessage(operations, { queue, id }), options);
  });
}

/**
 * `posthorn dead-letter return (ID… | all)`: dead letters back to the queues they were meant for, as `return-to-source`
 * does for failed messages: stored as an operation, resumed by the same words.
 */
export async function returnDeadLetters(
  context: VerbContext,
  ids: readonly string[],
  options: ReturnOptions,
): Promise<ExitCode> {
  const instead = (['list', 'resume', 'cancel'] as const).find((name) => options[name] !== undefined);
  if (instead !== undefined) {
    if (ids.length > 0) throw new UsageError(`--${instead} stands alone.`, 'Leave the ids out.');
    return await returnToSource(context, undefined, [], options);
  }
  const hasSome = await withOperations(context, options, async (operations) =>
    (await operations.describeManager()).queues.includes(DEAD_LETTER_QUEUE) ? 1 : 0,
  );
  if (hasSome === 0) return noDeadLetters(context, options);
  return await returnToSource(context, DEAD_LETTER_QUEUE, ids, options);
}

/** The queue is made with the first dead letter. */
function noDeadLetters({ terminal }: VerbContext, options: CommonOptions): ExitCode {
  if (options.json !== true) terminal.print('No dead letters.');
  return 0;
}

const COLUMNS: readonly Column[] = [
  { title: 'ID', share: 1, widthMin: 8 },
  { title: 'SENT', right: true },
  { title: 'TYPE', share: 2, widthMin: 10, cutsStart: true },
  { title: 'MEANT FOR', share: 2, widthMin: 10 },
  { title: 'REASON', share: 2, widthMin: 12 },
  { title: 'WHAT', share: 3, widthMin: 10 },
];

function rowOf(message: MessageSummary, nowMs: number, machine: string): string[] {
  return [
    message.id,
    message.sentMs === undefined ? '' : formatAge(nowMs - message.sentMs),
    message.messageType ?? '',
    withoutMachine(message.deadLetter?.source ?? '', machine),
    message.deadLetter?.reason ?? 'unknown',
    message.deadLetter?.text ?? '',
  ];
}
