import type { ManagerDescription, Operations, QueueDescription } from '../../operations/operations.ts';
import { formatAge, formatBytes, formatCount } from '../format.ts';
import { formatTable } from '../table.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';

/** `posthorn queues`: depth, in flight, oldest age of every queue. */
export function showQueues(context: VerbContext, options: CommonOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const { terminal } = context;
    const manager = await operations.describeManager();
    const queues = await allQueues(operations);
    if (options.json === true) {
      for (const queue of queues) printJson(terminal, queue);
      return 0;
    }
    terminal.print(describeManager(manager, context.environment));
    if (queues.length === 0) {
      terminal.print('No queues yet. An endpoint makes its queue when it starts.');
      return 0;
    }
    terminal.print('');
    terminal.print(formatTable(terminal, COLUMNS, queues.map(rowOf)));
    return 0;
  });
}

const COLUMNS = [
  { title: 'QUEUE', share: 1, widthMin: 16 },
  { title: 'MESSAGES', right: true },
  { title: 'IN FLIGHT', right: true },
  { title: 'DELAYED', right: true },
  { title: 'SIZE', right: true },
  { title: 'OLDEST', right: true },
  { title: 'RECEIVERS', right: true },
] as const;

function rowOf(queue: QueueDescription): string[] {
  return [
    queue.queue,
    formatCount(queue.messages),
    formatCount(queue.inFlight),
    formatCount(queue.delayed),
    formatBytes(queue.bytes + queue.delayedBytes),
    formatAge(queue.oldestAgeMs),
    formatCount(queue.receivers),
  ];
}

async function allQueues(operations: Operations): Promise<QueueDescription[]> {
  const queues: QueueDescription[] = [];
  for (;;) {
    const page = await operations.describeQueues({ afterQueue: queues.at(-1)?.queue });
    queues.push(...page.queues);
    if (page.isLast || page.queues.length === 0) return queues;
  }
}

function describeManager(manager: ManagerDescription, environment: VerbContext['environment']): string {
  const place =
    environment.HOME !== undefined && manager.directory.startsWith(`${environment.HOME}/`)
      ? `~${manager.directory.slice(environment.HOME.length)}`
      : manager.directory;
  const owner = manager.pid === process.pid ? 'no queue manager runs' : `runs in process ${manager.pid}`;
  const condition = manager.condition === 'ready' ? '' : `, store ${CONDITIONS[manager.condition]}`;
  return `${manager.machine}, ${place}: ${owner}${condition}`;
}

const CONDITIONS = {
  full: 'FULL: the disk has no room, sends are refused, receiving goes on',
  recovering: 'RECOVERING: a disk write failed, the store is being reopened',
  failed: 'FAILED: the disk failed, nothing is taken any more',
} as const;
