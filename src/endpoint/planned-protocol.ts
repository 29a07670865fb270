import type { ProtocolChoice } from '../transactions/distributed-transaction.ts';

/** Which protocol will bring databases and queues to one outcome, and why, as far as it is known without asking a server. */
export function plannedProtocol(choice: ProtocolChoice, resourceCount: number): string {
  if (choice === 'twoPhase') return 'two-phase commit, because transactions.protocol says so';
  if (resourceCount > 1) return 'two-phase commit; marker row where a transaction wrote to one database only';
  return choice === 'marker'
    ? 'marker row, because transactions.protocol says so'
    : 'marker row, because it is the only one';
}
