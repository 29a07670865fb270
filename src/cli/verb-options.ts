import type { Command } from 'commander';
import { ID_PREFIX_LENGTH_MIN } from '../operations/limits.ts';

/*
 * The options that several verbs share, so that one word means one thing everywhere.
 */

/** How a span of time is written, for the help of every option that takes one. */
export const TIME_FORM = '30s, 15m, 1h, 2d; a bare number is seconds';

/** A verb with the options that every verb takes; settings of the program that commander does not hand down are repeated. */
export function verb(parent: Command, nameAndArguments: string): Command {
  return parent
    .command(nameAndArguments)
    .option('--directory <dir>', 'data directory (default: $POSTHORN_DIRECTORY or ./.posthorn)')
    .option('--json', 'one JSON document, or one a line for lists');
}

export function withPlaces(command: Command): Command {
  return command.option('--delayed', 'the delayed messages of the queue').option('--journal', 'its journal');
}

export function withFilters(command: Command): Command {
  return command
    .option('--id <id>', 'only the message with this id; may be repeated', collect)
    .option('--type <type>', 'only this message type')
    .option('--exception <text>', 'only where type or text of the exception contains this')
    .option('--group <group>', 'only this group of errors group; may be repeated', collect)
    .option('--from <queue>', 'only what failed in this queue, or was meant for it')
    .option('--older-than <time>', `only what failed (or was sent) longer ago: ${TIME_FORM}`)
    .option('--newer-than <time>', `only what failed (or was sent) since then: ${TIME_FORM}`)
    .option('--text <text>', 'only with this text in a header')
    .option('--bodies', 'look for --text in bodies too')
    .option('--filter <name=value>', 'the same filters by name: type=Order; may be repeated', collect);
}

export function withDeadLetterFilters(command: Command): Command {
  return withFilters(command).option(
    '--reason <text>',
    'only where the reason, or what happened, contains this: NACK_BAD_DST_Q',
  );
}

/** Of a verb that names messages by their ids. */
export function withIds(command: Command): Command {
  return command.addHelpText('after', `\nOf an id its first ${ID_PREFIX_LENGTH_MIN} characters suffice.`);
}

export function withReturnOptions(command: Command): Command {
  return withIds(command)
    .option('--to <queue>', 'there instead of where each failed')
    .option('--rate <n>', 'at most so many a second')
    .option('--dry-run', 'only say what would be done')
    .option('--resume <operation>', 'go on with an operation that was interrupted')
    .option('--cancel <operation>', 'end an operation where it stands')
    .option('--list', 'the operations there were');
}

export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
