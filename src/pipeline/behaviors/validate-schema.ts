import type { Behavior } from '../behavior.ts';
import { checkSchema, type SchemaVerdict } from '../check-schema.ts';
import { SchemaInvalid } from '../errors.ts';
import type { LogicalStage, TypedStage } from '../stages.ts';

/** Checks the body with the contract's schema, and hands on what the schema makes of it. */
export function validateSchema(): Behavior<TypedStage, LogicalStage> {
  return function validateSchema(context, next) {
    const schema = context.known.contract?.schema;
    if (schema === undefined) return next(context);
    const verdict = checkSchema(schema, context.message);
    if (verdict instanceof Promise) return verdict.then((settled) => next(withOutput(context, settled)));
    return next(withOutput(context, verdict));
  };
}

function withOutput(context: TypedStage, verdict: SchemaVerdict): LogicalStage {
  if (!verdict.isValid) throw new SchemaInvalid(context.known.name, verdict.issues);
  context.message = verdict.output;
  return context;
}
