import type { ProtocolChoice } from './distributed-transaction.ts';

/** Which protocol will bring databases and queues to one outcome, and why, before any server was asked. */
export function plannedProtocol(choice: ProtocolChoice, resourceCount: number): string {
  if (choice === 'twoPhase') return 'two-phase commit: asked for by transactions.protocol';
  if (choice === 'marker') return 'marker row: asked for by transactions.protocol';
  return resourceCount === 1
    ? 'marker row: one database is listed'
    : `marker row when one database was written to, two-phase commit when several were: ${resourceCount} are listed`;
}
