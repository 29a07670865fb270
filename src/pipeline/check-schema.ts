import type { StandardSchemaV1 } from '@standard-schema/spec';

/** What a schema says of a body: its output, or why it does not fit. */
export type SchemaVerdict =
  | { readonly isValid: true; readonly output: unknown }
  | { readonly isValid: false; readonly issues: string };

/** Asks a Standard Schema; a promise only where the schema itself answers with one. */
export function checkSchema(schema: StandardSchemaV1, body: unknown): SchemaVerdict | Promise<SchemaVerdict> {
  const result = schema['~standard'].validate(body);
  return result instanceof Promise ? result.then(verdictOf) : verdictOf(result);
}

function verdictOf(result: StandardSchemaV1.Result<unknown>): SchemaVerdict {
  if (result.issues === undefined) return { isValid: true, output: result.value };
  const told = result.issues.slice(0, ISSUES_TOLD_MAX).map(textOf);
  const untold = result.issues.length - told.length;
  return { isValid: false, issues: told.join('; ') + (untold > 0 ? `; and ${untold} more` : '') };
}

const ISSUES_TOLD_MAX = 5;

function textOf(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  const text = issue.message.replace(RECEIVED_VALUE, 'received another value');
  return (path === '' ? text : `${path}: ${text}`).slice(0, 300);
}

/** Some validators quote the value they met. It is a part of the body, and bodies do not go into logs (G-Z4). */
const RECEIVED_VALUE = /\breceived (?=["'`\d-]).*/s;
