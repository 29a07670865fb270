import { retryCountsOf } from '../../recoverability/failure-headers.ts';
import type { Behavior } from '../behavior.ts';
import { ProcessDied } from '../errors.ts';
import type { PhysicalStage } from '../stages.ts';

/** Processes that may die of one message before no handler is given it again (G-P6). */
export const DEATHS_MAX = 3;

/**
 * Ends the life of a message that kills the process. Stands before everything of the user's, and after the envelope,
 * which carries the deaths of earlier rounds.
 */
export function rejectProcessKiller(): Behavior<PhysicalStage> {
  return function rejectProcessKiller(context, next) {
    const deaths = context.current.delivery.deaths + retryCountsOf(context.headers).deaths;
    if (deaths >= DEATHS_MAX) throw new ProcessDied(deaths);
    return next(context);
  };
}
