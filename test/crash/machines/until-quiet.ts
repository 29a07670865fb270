import { nodeIo } from '../../../src/io/node-io.ts';
import { connectOperations } from '../../../src/operations/connect.ts';
import type { Operations } from '../../../src/operations/operations.ts';
import { pause } from '../senders.ts';
import { MOVED_KINDS, QUEUES } from './workload.ts';

/** Resolves when nothing is on its way any more, at these machines or between them, as their operators see it. */
export async function untilQuiet(directories: readonly string[]): Promise<void> {
  const connections = directories.map((directory) => connectOperations({ directory, io: nodeIo() }));
  const isQuiet = async (): Promise<boolean> => {
    // The first again at the end: what it sent on while the second was asked is seen there.
    for (const { operations } of [...connections, ...connections]) if (await isBusy(operations)) return false;
    return true;
  };
  try {
    while (!(await isQuiet())) await pause(LOOK_EVERY_MS);
  } finally {
    for (const connection of connections) await connection.close();
  }
}

async function isBusy(operations: Operations): Promise<boolean> {
  const { outgoing } = await operations.describeOutgoing({});
  if (outgoing.some(({ messages, delayed }) => messages > 0 || delayed > 0)) return true;
  const { queues } = await operations.describeQueues({});
  return queues.some(({ queue, messages, delayed }) => delayed > 0 || (PASSING.has(queue) && messages > 0));
}

/** Queues in which no message may stay. */
const PASSING: ReadonlySet<string> = new Set([...MOVED_KINDS, 'asks', QUEUES.answers, QUEUES.error]);
const LOOK_EVERY_MS = 100;
