import type { Attempt } from './attempt.ts';
import type { KnownType } from './handler-registry.ts';
import type { IncomingContext } from './incoming-context.ts';

/*
 * What is known of a message at each stage of the receive pipeline. A behavior that asks for more than its stage knows
 * does not compile.
 */

/** A locked delivery in a transaction, not looked into. */
export type DeliveryStage = Attempt;

/** Its headers are read. Users' behaviors of `incomingPhysical` stand here. */
export type PhysicalStage = IncomingContext;

/** Its type is known, and has handlers. */
export type TypedStage = IncomingContext & { readonly known: KnownType };

/** Its body is read and fits its schema. Users' behaviors of `incomingLogical` stand here. */
export type LogicalStage = TypedStage;
