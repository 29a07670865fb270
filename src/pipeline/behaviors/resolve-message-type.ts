import { Header } from '../../message/headers.ts';
import type { Behavior } from '../behavior.ts';
import { UnknownMessageType } from '../errors.ts';
import type { HandlerRegistry } from '../handler-registry.ts';
import type { PhysicalStage, TypedStage } from '../stages.ts';

/** Finds the message's type among those the endpoint knows. The header is compared only, never used to load code (G-Z3). */
export function resolveMessageType(registry: HandlerRegistry): Behavior<PhysicalStage, TypedStage> {
  return function resolveMessageType(context, next) {
    const enclosedTypes = context.headers[Header.enclosedMessageTypes];
    const known = enclosedTypes === undefined ? undefined : registry.firstKnown(enclosedTypes);
    if (known === undefined) throw new UnknownMessageType(enclosedTypes, context.endpoint);
    context.known = known;
    return next(context as TypedStage); // known on the line above
  };
}
