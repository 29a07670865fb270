import { cancel, confirm, isCancel, multiselect, select } from '@clack/prompts';
import type { FailureGroup } from '../operations/failure-group.ts';
import type { MessageFilter } from '../operations/message-filter.ts';
import type { Operations } from '../operations/operations.ts';
import { countOf, formatCount } from './format.ts';
import { returnedTo } from './return-operations.ts';
import { cutToWidth } from './table.ts';
import { harmless } from './terminal.ts';
import type { VerbContext } from './verb.ts';
import { causeOf, collectGroups } from './verbs/errors.ts';

/** Asks a person which queue to empty and which groups to return; undefined when they change their mind. */
export async function askWhatToReturn(
  context: VerbContext,
  operations: Operations,
  givenQueue: string | undefined,
): Promise<{ readonly errorQueue: string; readonly filter: MessageFilter } | undefined> {
  const errorQueue = givenQueue ?? (await askQueue(operations));
  if (errorQueue === undefined) return undefined;
  const groups = await collectGroups(context, operations, { queue: errorQueue, filter: {} });
  if (groups.length === 0) {
    cancel(`No messages in '${errorQueue}'.`, WHERE);
    return undefined;
  }
  const chosen = groups.length === 1 ? groups : await askGroups(groups);
  if (chosen === undefined) return undefined;
  const total = chosen.reduce((sum, group) => sum + group.count, 0);
  const isSure = await confirm({
    ...WHERE,
    message: `Return ${countOf(total, 'message')} ${returnedTo(errorQueue, total)}?`,
  });
  if (isCancel(isSure) || !isSure) {
    cancel('Nothing was done.', WHERE);
    return undefined;
  }
  return { errorQueue, filter: chosen.length === groups.length ? {} : { groups: chosen.map((group) => group.id) } };
}

/** Standard output stays for results. */
const WHERE = { output: process.stderr };

async function askQueue(operations: Operations): Promise<string | undefined> {
  const { queues } = await operations.describeQueues({});
  const filled = queues.filter((queue) => queue.messages > 0);
  if (filled.length === 0) {
    cancel('All queues are empty.', WHERE);
    return undefined;
  }
  // What looks like an error queue stands first.
  filled.sort((left, right) => Number(right.queue.includes('error')) - Number(left.queue.includes('error')));
  const answer = await select({
    ...WHERE,
    message: 'Which queue holds the failed messages?',
    options: filled.map((queue) => ({
      value: queue.queue,
      label: queue.queue,
      hint: countOf(queue.messages, 'message'),
    })),
    maxItems: 12,
  });
  if (!isCancel(answer)) return answer;
  cancel('Nothing was done.', WHERE);
  return undefined;
}

async function askGroups(groups: readonly FailureGroup[]): Promise<readonly FailureGroup[] | undefined> {
  const columns = process.stderr.columns || 80;
  const answer = await multiselect({
    ...WHERE,
    message: 'Which messages shall go back?',
    options: groups.map((group) => ({
      value: group,
      label: choiceOf(group, columns),
    })),
    maxItems: 12,
    required: true,
  });
  if (!isCancel(answer)) return answer;
  cancel('Nothing was done.', WHERE);
  return undefined;
}

/** One line, so that a long list stays a list. */
export function choiceOf(group: FailureGroup, columns: number): string {
  const text = `${formatCount(group.count)} × ${group.messageType}: ${causeOf(group.exceptionType, group.exampleText)}`;
  return cutToWidth(harmless(text), columns - MARKS_WIDTH);
}

/** What stands before a choice, `│  ◻ `, and the ten characters that colour the first of it, which clack counts as well. */
const MARKS_WIDTH = 15;
