import type { Operations } from '../../src/operations/operations.ts';
import { QUEUES } from './workload.ts';

/** Returns everything in the error queue to where it failed; first what an earlier process left unfinished. */
export async function returnAll(operations: Operations): Promise<void> {
  const unfinished = (await operations.listReturns()).filter(({ state }) => state === 'running');
  const fresh = await operations.startReturn({ errorQueue: QUEUES.error, filter: {} });
  for (const id of new Set([...unfinished, fresh].map((operation) => operation.id))) {
    let isRunning = true;
    while (isRunning) isRunning = (await operations.continueReturn({ id, countMax: 25 })).state === 'running';
  }
}
