import type { Operations } from '../../src/operations/operations.ts';
import { QUEUES } from './workload.ts';

/** Returns everything in the error queue to where it failed; first what an earlier process left unfinished. */
export async function returnAll(operations: Operations): Promise<void> {
  for (const { id, state } of await operations.listReturns()) {
    if (state === 'running') await finish(operations, id);
  }
  // Begun only now: with an unfinished one of the same wishes there, that would be taken up, and not what came after it.
  await finish(operations, (await operations.startReturn({ errorQueue: QUEUES.error, filter: {} })).id);
}

async function finish(operations: Operations, id: string): Promise<void> {
  let isRunning = true;
  while (isRunning) isRunning = (await operations.continueReturn({ id, countMax: 25 })).state === 'running';
}
