import type { ResourceView, TransactionView } from '../transactions/transaction-view.ts';

/**
 * True for a transaction that a monitoring check should ring for:
 *
 * - a database has another outcome (heuristic), or only a person can decide (fenced): at once;
 * - it is decided, in doubt or being rolled back for longer than `alarmAfterMs`: locks are held, messages wait.
 *
 * One that is being worked on ends by its own timeout, foreign ones are for their owners, and settled ones for nobody.
 */
export function isTransactionAlarming({ state, ageMs }: TransactionView, alarmAfterMs: number): boolean {
  switch (state) {
    case 'heuristic':
    case 'fenced':
      return true;
    case 'inDoubt':
    case 'committing':
    case 'aborting':
      return (ageMs ?? 0) > alarmAfterMs;
    case 'active':
    case 'preparing':
    case 'foreign':
    case 'settled':
      return false;
    default:
      return state satisfies never;
  }
}

/** The same for a database: nothing can be handled with it. */
export function isResourceAlarming({ state, sinceMs }: ResourceView, alarmAfterMs: number, nowMs: number): boolean {
  if (state === 'fenced' || state === 'unfit') return true;
  return state === 'unavailable' && sinceMs !== undefined && nowMs - sinceMs > alarmAfterMs;
}
