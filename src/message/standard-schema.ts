import type { StandardSchemaV1 } from '@standard-schema/spec';

/** Any validator that speaks Standard Schema: zod, valibot, arktype and others. */
export type Schema<Output = unknown> = StandardSchemaV1<unknown, Output>;

/** What a schema makes of a message. */
export type SchemaOutput<S extends StandardSchemaV1> = StandardSchemaV1.InferOutput<S>;
/** What a sender hands in. */
export type SchemaInput<S extends StandardSchemaV1> = StandardSchemaV1.InferInput<S>;

export type { StandardSchemaV1 };
