import { POSITION_SEQUENCE_BITS, positionOf, priorityOf, sequenceOf } from '../store/store.ts';
import type { PageEnd } from './operations.ts';

/**
 * Where a page ended, for work that leaves out what arrived after it began: behind the first such message of a priority
 * there are only more of them, so the next page begins with the next priority. New arrivals never make the work longer.
 */
export function pageEnd(
  page: { readonly lastPosition: number | undefined; readonly isLast: boolean },
  lookedAt: number,
  sequenceMax: number | undefined,
): PageEnd {
  const { lastPosition, isLast } = page;
  if (lastPosition === undefined || sequenceMax === undefined || sequenceOf(lastPosition) <= sequenceMax) {
    return { lookedAt, lastPosition, isLast };
  }
  const priority = priorityOf(lastPosition);
  return { lookedAt, lastPosition: lastPositionOfPriority(priority), isLast: isLast || priority === 0 };
}

/** The end of what stands under one priority. */
export function lastPositionOfPriority(priority: number): number {
  return positionOf(priority, 2 ** POSITION_SEQUENCE_BITS - 1);
}
