import type { MessageSummary } from '../../operations/message-summary.ts';
import { DEAD_LETTER_QUEUE } from '../dead-letter-queue.ts';
import { filterOf } from '../filter-options.ts';
import { formatAge } from '../format.ts';
import { listMessages } from '../list-messages.ts';
import type { Column } from '../table.ts';
import { type ExitCode, type VerbContext, withOperations } from '../verb.ts';
import { type ErrorsOptions, withoutMachine } from './errors.ts';

/** `posthorn dead-letter list`. */
export function listDeadLetters(context: VerbContext, options: ErrorsOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const manager = await operations.describeManager();
    if (!manager.queues.includes(DEAD_LETTER_QUEUE)) {
      if (options.json !== true) context.terminal.print('No dead letters.');
      return 0;
    }
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

const COLUMNS: readonly Column[] = [
  { title: 'ID', share: 1, widthMin: 8 },
  { title: 'SENT', right: true },
  { title: 'TYPE', share: 2, widthMin: 12, cutsStart: true },
  { title: 'MEANT FOR', share: 2, widthMin: 10 },
  { title: 'REASON', share: 2, widthMin: 12 },
];

function rowOf(message: MessageSummary, nowMs: number, machine: string): string[] {
  return [
    message.id,
    message.sentMs === undefined ? '' : formatAge(nowMs - message.sentMs),
    message.messageType ?? '',
    withoutMachine(message.deadLetter?.source ?? '', machine),
    message.deadLetter?.reason ?? 'unknown',
  ];
}
