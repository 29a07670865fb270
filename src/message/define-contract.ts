import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkMessageType } from './check-message-type.ts';
import type { Command, Contract, ContractKind, Event, PlainMessage } from './contract.ts';

/**
 * An order to one endpoint, which has one handler for it.
 *
 * `schema` is any Standard Schema (zod, valibot, arktype, …): it types senders and handlers, and both ends check with it.
 * Senders hand in, and the wire carries, the schema's input; handlers get its output. Without a schema the body type is
 * given in words, `defineCommand<Order>('Sales.PlaceOrder')`, and nothing is checked.
 *
 * @param name - travels with the message; letters, digits and `. _ - + : $`
 * @throws {InvalidMessageType} for a name that cannot travel
 */
export function defineCommand<S extends StandardSchemaV1, Reply = unknown>(
  name: string,
  schema: S,
  options?: ContractOptions<Reply>,
): Command<StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>, Reply>;
export function defineCommand<Body = unknown, Reply = unknown>(
  name: string,
  options?: ContractOptions<Reply>,
): Command<Body, Body, Reply>;
export function defineCommand(name: string, ...rest: ContractArguments): Command {
  return define('command', name, rest);
}

/** News for all endpoints that subscribed. Otherwise as `defineCommand`. */
export function defineEvent<S extends StandardSchemaV1>(
  name: string,
  schema: S,
): Event<StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>>;
export function defineEvent<Body = unknown>(name: string): Event<Body>;
export function defineEvent(name: string, ...rest: ContractArguments): Event {
  return define('event', name, rest);
}

/** A reply, or what is neither command nor event. Otherwise as `defineCommand`. */
export function defineMessage<S extends StandardSchemaV1, Reply = unknown>(
  name: string,
  schema: S,
  options?: ContractOptions<Reply>,
): PlainMessage<StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>, Reply>;
export function defineMessage<Body = unknown, Reply = unknown>(
  name: string,
  options?: ContractOptions<Reply>,
): PlainMessage<Body, Body, Reply>;
export function defineMessage(name: string, ...rest: ContractArguments): PlainMessage {
  return define('message', name, rest);
}

export interface ContractOptions<Reply> {
  /** The plain message that handlers answer with: then `context.reply` takes no other. */
  readonly reply?: Reply & PlainMessage;
}

type ContractArguments = [(StandardSchemaV1 | ContractOptions<unknown>)?, ContractOptions<unknown>?];

function define<Kind extends ContractKind>(
  kind: Kind,
  name: string,
  [first, second]: ContractArguments,
): Contract<Kind> {
  checkMessageType(name);
  // Some validators (arktype) are functions, so the marker of the standard decides and not the kind of value.
  const schema = first !== undefined && '~standard' in first ? first : undefined;
  const options = schema === undefined ? (first as ContractOptions<unknown> | undefined) : second;
  return Object.freeze({ kind, name, schema, reply: options?.reply });
}
