import type { MessageSummary } from '../../operations/message-summary.ts';
import type { Operations } from '../../operations/operations.ts';
import { type FilterOptions, filterOf } from '../filter-options.ts';
import { findMessage } from '../find-message.ts';
import { formatAge, formatBytes } from '../format.ts';
import { type ListOptions, listMessages } from '../list-messages.ts';
import { textOf } from '../message-json.ts';
import { printMessage } from '../print-message.ts';
import type { Column } from '../table.ts';
import { type CommonOptions, type ExitCode, type VerbContext, withOperations } from '../verb.ts';

export interface PeekOptions extends CommonOptions, FilterOptions, ListOptions, PlaceOptions {}

export interface PlaceOptions {
  readonly delayed?: boolean;
  readonly journal?: boolean;
}

/** `posthorn peek QUEUE [ID]`: messages without receiving them. */
export function peek(
  context: VerbContext,
  queue: string,
  id: string | undefined,
  options: PeekOptions,
): Promise<ExitCode> {
  return withOperations(context, options, async (operations: Operations) => {
    const kind = placeKindOf(options);
    if (id !== undefined)
      return printMessage(context, { queue, kind }, await findMessage(operations, { queue, kind, id }), options);
    const nowMs = context.io.clock.wallNowMs();
    return await listMessages(
      context,
      operations,
      { queue, kind, filter: filterOf(options), withPreviews: options.json !== true },
      {
        ...options,
        columns: kind === 'delayed' ? DELAYED_COLUMNS : COLUMNS,
        row: (message) => rowOf(message, nowMs, kind === 'delayed'),
      },
    );
  });
}

export function placeKindOf(options: PlaceOptions): 'queue' | 'delayed' | 'journal' {
  return options.delayed === true ? 'delayed' : options.journal === true ? 'journal' : 'queue';
}

const COLUMNS: readonly Column[] = [
  { title: 'ID', share: 1, widthMin: 8 },
  { title: 'SENT', right: true },
  { title: 'TYPE', share: 2, widthMin: 16, cutsStart: true },
  { title: 'PRIO', right: true },
  { title: 'SIZE', right: true },
  { title: 'STATE' },
  { title: 'BODY', share: 3, widthMin: 12 },
];
const DELAYED_COLUMNS = COLUMNS.map((column) =>
  column.title === 'STATE' ? { title: 'DUE IN', right: true as const } : column,
);

function rowOf(message: MessageSummary, nowMs: number, isDelayed: boolean): string[] {
  const dueIn = message.dueMs === undefined ? '' : formatAge(Math.max(0, message.dueMs - nowMs));
  return [
    message.id,
    message.sentMs === undefined ? '' : formatAge(nowMs - message.sentMs),
    message.messageType ?? '',
    String(message.priority),
    formatBytes(message.bodyBytes),
    isDelayed ? dueIn : message.isLocked ? 'in flight' : 'ready',
    previewOf(message),
  ];
}

/** The beginning of the body as text; a character cut in two at its end is left out. */
function previewOf(message: MessageSummary): string {
  if (message.preview === undefined) return '';
  const isWhole = message.preview.byteLength === message.bodyBytes;
  for (let cutBytes = 0; cutBytes < 4; cutBytes++) {
    const text = textOf(message.preview.subarray(0, message.preview.byteLength - cutBytes));
    if (text !== undefined) return text.slice(0, PREVIEW_LENGTH_MAX);
    if (isWhole) break;
  }
  return '(binary)';
}

const PREVIEW_LENGTH_MAX = 200;
