import { addToGroups, type FailureGroup } from '../../operations/failure-group.ts';
import type { MessageSummary } from '../../operations/message-summary.ts';
import type { Operations } from '../../operations/operations.ts';
import { type FilterOptions, filterOf } from '../filter-options.ts';
import { findMessage } from '../find-message.ts';
import { countOf, formatAge, formatCount } from '../format.ts';
import { type ListOptions, listMessages } from '../list-messages.ts';
import { groupJson } from '../message-json.ts';
import { pages } from '../message-pages.ts';
import { printMessage } from '../print-message.ts';
import { Progress } from '../progress.ts';
import { type Column, formatTable } from '../table.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';

export interface ErrorsOptions extends CommonOptions, FilterOptions, ListOptions {
  readonly queue?: string;
}

/** `posthorn errors list`: failed messages, the oldest first. */
export function listErrors(context: VerbContext, options: ErrorsOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const nowMs = context.io.clock.wallNowMs();
    const { machine } = await operations.describeManager();
    return await listMessages(
      context,
      operations,
      { queue: errorQueueOf(options), filter: filterOf(options) },
      {
        ...options,
        columns: COLUMNS,
        row: (message) => rowOf(message, nowMs, machine),
      },
    );
  });
}

/** `posthorn errors show ID`: one failed message, whole. */
export function showError(context: VerbContext, id: string, options: ErrorsOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const queue = errorQueueOf(options);
    return printMessage(context, { queue }, await findMessage(operations, { queue, id }), options);
  });
}

/** `posthorn errors group`: failed messages counted by their cause, the largest group first. */
export function groupErrors(context: VerbContext, options: ErrorsOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const { terminal } = context;
    const queue = errorQueueOf(options);
    const groups = await collectGroups(context, operations, { queue, filter: filterOf(options) });
    if (options.json === true) {
      for (const group of groups) printJson(terminal, groupJson(group));
      return 0;
    }
    if (groups.length === 0) {
      terminal.print(`No failed messages in '${queue}'.`);
      return 0;
    }
    const nowMs = context.io.clock.wallNowMs();
    terminal.print(
      formatTable(
        terminal,
        GROUP_COLUMNS,
        groups.flatMap((group) => groupRows(group, nowMs)),
      ),
    );
    const total = groups.reduce((sum, group) => sum + group.count, 0);
    // Commands on lines of their own, to be copied; a terminal would break one long line anywhere.
    const ofQueue = queue === ERROR_QUEUE_DEFAULT ? '' : ` --queue ${queue}`;
    terminal.note(`\n${countOf(total, 'message')} in ${countOf(groups.length, 'group')}.`);
    terminal.note(`Look at one: posthorn errors list${ofQueue} --group GROUP`);
    terminal.note(`Return it:   posthorn return-to-source ${queue} --group GROUP`);
    return 0;
  });
}

/** The groups of a queue, all pages added up, largest first. */
export async function collectGroups(
  context: VerbContext,
  operations: Operations,
  request: { readonly queue: string; readonly filter: ReturnType<typeof filterOf> },
): Promise<readonly FailureGroup[]> {
  const { queue } = request;
  const { highestSequence } = await operations.describeManager();
  const total = (await operations.describeQueues({})).queues.find((known) => known.queue === queue)?.messages ?? 0;
  const progress = new Progress(context.terminal, context.io, 'Grouping');
  const groups = new Map<string, FailureGroup>();
  let lookedAt = 0;
  try {
    for await (const page of pages((afterPosition) =>
      operations.groupFailures({ ...request, sequenceMax: highestSequence, afterPosition }),
    )) {
      lookedAt += page.lookedAt;
      for (const group of page.groups) addToGroups(groups, group);
      await progress.show(lookedAt, total);
    }
  } finally {
    progress.end();
  }
  return [...groups.values()].sort((left, right) => right.count - left.count || (left.id < right.id ? -1 : 1));
}

export const ERROR_QUEUE_DEFAULT = 'error';

function errorQueueOf(options: ErrorsOptions): string {
  return options.queue ?? ERROR_QUEUE_DEFAULT;
}

const COLUMNS: readonly Column[] = [
  { title: 'ID', share: 1, widthMin: 8 },
  { title: 'FAILED', right: true },
  { title: 'TYPE', share: 2, widthMin: 12, cutsStart: true },
  { title: 'IN', share: 2, widthMin: 8 },
  { title: 'CAUSE', share: 4, widthMin: 16 },
];

function rowOf(message: MessageSummary, nowMs: number, machine: string): string[] {
  const { failure } = message;
  return [
    message.id,
    failure?.failedMs === undefined ? '' : formatAge(nowMs - failure.failedMs),
    message.messageType ?? '',
    withoutMachine(failure?.failedQueue ?? '', machine),
    failure === undefined ? 'unknown' : causeOf(failure.exceptionType, failure.text),
  ];
}

const GROUP_COLUMNS: readonly Column[] = [
  { title: 'COUNT', right: true },
  { title: 'LAST', right: true },
  { title: 'GROUP' },
  { title: 'CAUSE', share: 1 },
];

/** Two lines a group: what happened, then to which messages and where. */
function groupRows(group: FailureGroup, nowMs: number): string[][] {
  const lastAge = group.lastFailureMs === undefined ? '' : formatAge(nowMs - group.lastFailureMs);
  const place = group.frame === '' ? '' : `, at ${group.frame}`;
  return [
    [formatCount(group.count), lastAge, group.id, causeOf(group.exceptionType, group.exampleText)],
    ['', '', '', `${group.messageType}${place}`],
  ];
}

export function causeOf(exceptionType: string, text: string): string {
  return text === '' ? exceptionType : `${exceptionType}: ${text}`;
}

/** Queues of this machine are shown without it. */
export function withoutMachine(address: string, machine: string): string {
  return address.endsWith(`@${machine}`) ? address.slice(0, -machine.length - 1) : address;
}
