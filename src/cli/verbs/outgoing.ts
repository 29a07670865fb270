import { parseAddress } from '../../message/address.ts';
import type { Operations, OutgoingDescription } from '../../operations/operations.ts';
import { ALARM_AFTER_DEFAULT, isAlarming } from '../outgoing-alarm.ts';
import {
  formatOutgoing,
  formatOutgoingChange,
  formatOutgoingStory,
  outgoingJson,
  outgoingMark,
} from '../outgoing-view.ts';
import { parseDuration } from '../values.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';
import { watch } from '../watch.ts';
import { whoAsks } from '../who-asks.ts';
import { wrap } from '../wrap.ts';

export interface OutgoingOptions extends CommonOptions {
  readonly watch?: boolean;
  readonly alarmAfter?: string;
}

/**
 * `posthorn outgoing [DEST]`: what waits for other machines, and why it does not move. DEST is `queue@machine` or a machine.
 * Exit code 1 when a queue is alarming (see `isAlarming`), so that it serves as a monitoring check.
 */
export function showOutgoing(
  context: VerbContext,
  destination: string | undefined,
  options: OutgoingOptions,
): Promise<ExitCode> {
  const alarmAfterMs = parseDuration('--alarm-after', options.alarmAfter ?? ALARM_AFTER_DEFAULT);
  return withOperations(context, options, async (operations) => {
    if (options.watch === true) return await watchOutgoing(context, operations, destination, options);
    const queues = await readOutgoing(operations, destination);
    if (options.json === true) for (const status of queues) printJson(context.terminal, outgoingJson(status));
    else context.terminal.print(viewOf(context, queues, destination));
    const alarming = queues.filter((status) => isAlarming(status, alarmAfterMs));
    if (options.json !== true && queues.length > 1) explain(context, alarming);
    return alarming.length === 0 ? 0 : 1;
  });
}

export type OutgoingAct = 'hold' | 'release' | 'retry';

/** `posthorn outgoing hold|release|retry DEST`; a machine as DEST means all queues to it. */
export function actOnOutgoing(
  context: VerbContext,
  act: OutgoingAct,
  destination: string,
  options: CommonOptions,
): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    for (const { queue } of await readOutgoing(operations, destination)) {
      const status = await ACTS[act](operations, queue, whoAsks(context));
      if (options.json === true) printJson(context.terminal, outgoingJson(status));
      else context.terminal.print(`'${queue}' ${DONE[act]}: ${status.state}. ${wrap(status.text, undefined)[0]}`);
    }
    return 0;
  });
}

const ACTS: Readonly<
  Record<OutgoingAct, (operations: Operations, queue: string, by: string) => Promise<OutgoingDescription>>
> = {
  hold: (operations, queue, by) => operations.holdOutgoing({ queue, by }),
  release: (operations, queue) => operations.releaseOutgoing({ queue }),
  retry: (operations, queue) => operations.retryOutgoing({ queue }),
};

const DONE: Readonly<Record<OutgoingAct, string>> = {
  hold: 'is held',
  release: 'is released',
  retry: 'is tried now',
};

/** All, those to one machine, or one with its last attempts. */
async function readOutgoing(
  operations: Operations,
  destination: string | undefined,
): Promise<readonly OutgoingDescription[]> {
  if (destination?.includes('@') === true) {
    return (await operations.describeOutgoing({ queue: destination })).outgoing;
  }
  if (destination !== undefined) parseAddress(`queue@${destination}`);
  const queues: OutgoingDescription[] = [];
  for (;;) {
    const page = await operations.describeOutgoing({ machine: destination, afterQueue: queues.at(-1)?.queue });
    queues.push(...page.outgoing);
    if (page.isLast || page.outgoing.length === 0) break;
  }
  const [only] = queues;
  if (only !== undefined && queues.length === 1) {
    return (await operations.describeOutgoing({ queue: only.queue })).outgoing;
  }
  // Nothing goes to that machine: the queue manager names the nearest queue.
  if (only === undefined && destination !== undefined) await operations.describeOutgoing({ queue: destination });
  return queues;
}

function viewOf(
  { terminal, io }: VerbContext,
  queues: readonly OutgoingDescription[],
  destination: string | undefined,
): string {
  const [only] = queues;
  if (only === undefined) return 'Nothing waits for other machines, and nothing was sent to one.';
  if (queues.length === 1) return formatOutgoingStory(terminal, only, io.clock.wallNowMs());
  const title = destination === undefined ? '' : `To ${destination}:\n`;
  return `${title}${formatOutgoing(terminal, queues)}`;
}

/** Below the table: what is wrong in whole sentences, for the first few. */
function explain({ terminal }: VerbContext, alarming: readonly OutgoingDescription[]): void {
  for (const { queue, text, mend } of alarming.slice(0, EXPLAINED_MAX)) {
    terminal.print('');
    terminal.print(terminal.bold(queue));
    const width = terminal.columns === undefined ? undefined : terminal.columns - 2;
    for (const sentence of [text, mend ?? '']) {
      if (sentence !== '') for (const line of wrap(sentence, width)) terminal.print(`  ${line}`);
    }
  }
  const [first] = alarming;
  if (first !== undefined) terminal.note(`\nThe whole story of one: posthorn outgoing ${first.queue}`);
}

const EXPLAINED_MAX = 3;

function watchOutgoing(
  context: VerbContext,
  operations: Operations,
  destination: string | undefined,
  options: OutgoingOptions,
): Promise<ExitCode> {
  const { io } = context;
  return watch(context, options, {
    read: () => readOutgoing(operations, destination),
    screen: (queues) => viewOf(context, queues, destination),
    entries: (queues) =>
      queues.map((status) => ({
        name: status.queue,
        mark: outgoingMark(status),
        line: formatOutgoingChange(status, io.clock.wallNowMs()),
        json: outgoingJson(status),
      })),
  });
}
