import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkMessageType } from './check-message-type.ts';
import {
  type Command,
  type Contract,
  type ContractKind,
  type Event,
  isContract,
  type PlainMessage,
} from './contract.ts';
import { InvalidOption } from './errors.ts';
import { checkOption, named } from './option-shapes.ts';
import { written } from './wording.ts';

/**
 * An order to one endpoint, which has one handler for it.
 *
 * `schema` is any Standard Schema (zod, valibot, arktype, …): it types senders and handlers, and both ends check with it.
 * Senders hand in, and the wire carries, the schema's input; handlers get its output. Without a schema the body type is
 * given in words, `defineCommand<Order>('Sales.PlaceOrder')`, and nothing is checked.
 *
 * @param name - travels with the message; letters, digits and `. _ - + : $`
 * @throws {InvalidMessageType} for a name that cannot travel {InvalidOption} `schema` is no Standard Schema
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
  const schema = isSchema(first) ? first : undefined;
  const options = schema === undefined ? first : second;
  checkContractOptions(options, schema !== undefined);
  return Object.freeze({ kind, name, schema, reply: options?.reply });
}

function isSchema(value: unknown): value is StandardSchemaV1 {
  const isAble = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isAble && '~standard' in value && typeof (value as StandardSchemaV1)['~standard']?.validate === 'function';
}

/** What only looks like a schema must not be taken for options: then nothing would be checked, and nobody would know. */
function checkContractOptions(
  options: unknown,
  hasSchema: boolean,
): asserts options is ContractOptions<unknown> | undefined {
  if (options === undefined) return;
  const isMeantForSchema =
    typeof options !== 'object' || options === null || Object.keys(options).some((name) => name !== 'reply');
  if (!hasSchema && isMeantForSchema) {
    throw new InvalidOption(
      'schema',
      `is ${written(options)}, which is no Standard Schema`,
      'Give one that zod, valibot, arktype or another such library makes; without one only { reply } may stand here.',
    );
  }
  checkOption('contract', options, CONTRACT_OPTIONS);
}

const CONTRACT_OPTIONS = named({
  reply: { fits: isContract, mend: 'Give what defineMessage(…) made.' },
});
