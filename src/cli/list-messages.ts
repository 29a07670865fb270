import type { MessageSummary } from '../operations/message-summary.ts';
import type { Operations, ReadRequest } from '../operations/operations.ts';
import { countOf } from './format.ts';
import { messageJson } from './message-json.ts';
import { firstMessages, messagePages } from './message-pages.ts';
import { type Column, formatTable } from './table.ts';
import { parseWhole } from './values.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext } from './verb.ts';

export interface ListOptions {
  readonly count?: string;
}

export interface ListLayout extends CommonOptions, ListOptions {
  readonly columns: readonly Column[];
  row(message: MessageSummary): string[];
}

/** Prints messages of a queue: the first ones as a table, or as JSON lines, then all unless a count is given. */
export async function listMessages(
  context: VerbContext,
  operations: Operations,
  request: ReadRequest,
  layout: ListLayout,
): Promise<ExitCode> {
  const { terminal } = context;
  const countMax = readCount(layout);
  if (layout.json === true) {
    let printed = 0;
    for await (const page of messagePages(operations, request)) {
      for (const message of page.messages) {
        if (printed++ < countMax) printJson(terminal, messageJson(request.queue, message));
      }
      if (printed >= countMax) break;
    }
    return 0;
  }
  const { messages, hasMore } = await firstMessages(operations, request, countMax);
  if (messages.length === 0) {
    terminal.print(
      `No messages in '${request.queue}'${request.filter === undefined || Object.keys(request.filter).length === 0 ? '' : ' that fit'}.`,
    );
    return 0;
  }
  terminal.print(formatTable(terminal, layout.columns, messages.map(layout.row)));
  if (hasMore)
    terminal.note(
      `${countOf(messages.length, 'message is', 'messages are')} shown; there are more: --count N, --count all.`,
    );
  return 0;
}

function readCount(options: CommonOptions & ListOptions): number {
  if (options.count === 'all') return Number.POSITIVE_INFINITY;
  if (options.count !== undefined) return parseWhole('--count', options.count, 1, 1_000_000);
  return options.json === true ? Number.POSITIVE_INFINITY : COUNT_DEFAULT;
}

const COUNT_DEFAULT = 50;
