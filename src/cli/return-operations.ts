import { type LeftReason, leftCount, type ReturnOperation } from '../operations/return-operation.ts';
import { DEAD_LETTER_QUEUE } from './dead-letter-queue.ts';
import { describeFilter } from './filter-options.ts';
import { countOf, formatAge, formatCount } from './format.ts';
import { operationJson } from './message-json.ts';
import { type Column, formatTable } from './table.ts';
import { harmless } from './terminal.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from './verb.ts';

/** `posthorn return-to-source --list`: the operations there were, latest first. */
export function listReturns(context: VerbContext, options: CommonOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const { terminal } = context;
    const known = await operations.listReturns();
    if (options.json === true) {
      for (const operation of known) printJson(terminal, operationJson(operation));
      return 0;
    }
    if (known.length === 0) {
      terminal.print('No return operations.');
      return 0;
    }
    const nowMs = context.io.clock.wallNowMs();
    terminal.print(
      formatTable(
        terminal,
        COLUMNS,
        known.map((operation) => rowOf(operation, nowMs)),
      ),
    );
    return 0;
  });
}

/** Says what became of an operation. */
export function printOperation(context: VerbContext, operation: ReturnOperation, options: CommonOptions): ExitCode {
  const { terminal } = context;
  if (options.json === true) {
    printJson(terminal, operationJson(operation));
    return 0;
  }
  const where =
    operation.to === undefined ? returnedTo(operation.errorQueue, operation.returned) : `to '${operation.to}'`;
  terminal.print(`Returned ${countOf(operation.returned, 'message')} from '${operation.errorQueue}' ${where}.`);
  printLeft(context, operation);
  if (operation.state === 'cancelled') terminal.print(`Operation ${operation.id} was cancelled.`);
  if (operation.state === 'running') {
    terminal.print('Not finished. Go on with the same command, or:');
    terminal.print(`  posthorn return-to-source --resume ${operation.id}`);
  }
  return 0;
}

/** Where so many messages of the queue go back to, in words. */
export function returnedTo(queue: string, count: number): string {
  if (queue === DEAD_LETTER_QUEUE)
    return count === 1 ? 'to the queue it was meant for' : 'to the queues they were meant for';
  return count === 1 ? 'to where it failed' : 'to where they failed';
}

function printLeft(context: VerbContext, operation: ReturnOperation): void {
  if (leftCount(operation) === 0) return;
  const { terminal } = context;
  terminal.print(`Left ${countOf(leftCount(operation), 'message')} in '${operation.errorQueue}':`);
  for (const [reason, count] of Object.entries(operation.left)) {
    const [one, several] = LEFT_BECAUSE[reason as LeftReason] ?? [reason, reason];
    terminal.print(`  ${formatCount(count)} ${count === 1 ? one : several}`);
  }
  for (const example of operation.leftExamples.slice(0, EXAMPLES_SHOWN)) {
    terminal.print(`  ${terminal.dim(`${harmless(example.id)}: ${harmless(example.text)}`)}`);
  }
}

/** Of one message, and of several. */
const LEFT_BECAUSE: Readonly<Record<LeftReason, readonly [string, string]>> = {
  noSource: [
    'does not say where it failed; name a queue with --to',
    'do not say where they failed; name a queue with --to',
  ],
  locked: ['is held by a receiver; run this again later', 'are held by a receiver; run this again later'],
  damaged: ['is damaged on disk', 'are damaged on disk'],
  refused: ['was refused by the queue it belongs to', 'were refused by the queue they belong to'],
};
const EXAMPLES_SHOWN = 5;

const COLUMNS: readonly Column[] = [
  { title: 'OPERATION' },
  { title: 'STARTED', right: true },
  { title: 'STATE' },
  { title: 'QUEUE', share: 1 },
  { title: 'RETURNED', right: true },
  { title: 'LEFT', right: true },
  { title: 'WHICH', share: 2 },
];

function rowOf(operation: ReturnOperation, nowMs: number): string[] {
  return [
    operation.id,
    formatAge(nowMs - operation.startedMs),
    operation.state === 'running' ? 'unfinished' : operation.state,
    operation.errorQueue,
    formatCount(operation.returned),
    formatCount(leftCount(operation)),
    describeFilter(operation.filter),
  ];
}
