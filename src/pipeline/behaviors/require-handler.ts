import type { Behavior } from '../behavior.ts';
import { NoHandler } from '../errors.ts';
import type { TypedStage } from '../stages.ts';

/** Refuses what nobody handles before its body is read. */
export function requireHandler(): Behavior<TypedStage> {
  return function requireHandler(context, next) {
    if (context.known.handlers.length === 0) throw new NoHandler(context.known.name, context.endpoint);
    return next(context);
  };
}
