import type { Behavior } from '../behavior.ts';
import { DamagedMessage } from '../errors.ts';
import type { DeliveryStage } from '../stages.ts';

/** Keeps damaged bytes from everything that would read them. First of all. */
export function rejectDamagedMessage(): Behavior<DeliveryStage> {
  return function rejectDamagedMessage(attempt, next) {
    if (attempt.delivery.isDamaged) throw new DamagedMessage();
    return next(attempt);
  };
}
