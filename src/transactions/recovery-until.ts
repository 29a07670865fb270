import type { ResourceRecovery } from './resource-manager.ts';
import { unlessAborted } from './unless-aborted.ts';

/**
 * Recovery's side of a database as long as anybody waits for it. Once `givenUp` is aborted, what was asked rejects, and what is
 * asked later is not asked any more: a round that is under way comes to its end, whatever it would have asked next.
 */
export function recoveryUntil(givenUp: AbortSignal, recovery: ResourceRecovery): ResourceRecovery {
  const ask = <Answer>(request: () => Promise<Answer>): Promise<Answer> =>
    givenUp.aborted ? Promise.reject(givenUp.reason) : unlessAborted(request(), givenUp);
  const { witness } = recovery;
  return {
    scan: () => ask(() => recovery.scan()),
    finish: (request) => ask(() => recovery.finish(request)),
    fence: (transaction) => ask(() => recovery.fence(transaction)),
    endSession: (session) => ask(() => recovery.endSession(session)),
    deleteMarkers: (transactions) => ask(() => recovery.deleteMarkers(transactions)),
    readMarkers: (request) => ask(() => recovery.readMarkers(request)),
    witness: {
      raise: (wanted) => ask(() => witness.raise(wanted)),
      read: (queueManager) => ask(() => witness.read(queueManager)),
      replace: (wanted) => ask(() => witness.replace(wanted)),
    },
  };
}
