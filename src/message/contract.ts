import type { StandardSchemaV1 } from '@standard-schema/spec';

/**
 * A contract is one value, a name and perhaps a schema, that types sender, handler and reply (DESIGN decision 9).
 * The `kind` keeps an event from being sent and a command from being published, at compile time and at run time.
 */
export interface Contract<Kind extends ContractKind = ContractKind, Input = unknown, Output = Input, Reply = unknown> {
  readonly kind: Kind;
  /** Travels in `NServiceBus.EnclosedMessageTypes`. Never used to find or load code (G-Z3). */
  readonly name: string;
  readonly schema: StandardSchemaV1<Input, Output> | undefined;
  /** What a handler of this message may answer with; undefined: any plain message. */
  readonly reply: Reply | undefined;
  /** Types only, absent at run time. */
  readonly types?: { readonly input: Input; readonly output: Output };
}

export type ContractKind = 'command' | 'event' | 'message';
export type Command<Input = unknown, Output = Input, Reply = unknown> = Contract<'command', Input, Output, Reply>;
export type Event<Input = unknown, Output = Input> = Contract<'event', Input, Output>;
/** A reply, or what is neither an order to one endpoint nor news to all. */
export type PlainMessage<Input = unknown, Output = Input, Reply = unknown> = Contract<'message', Input, Output, Reply>;

/** What can be sent to one endpoint: a contract, or a type's name, then untyped and unvalidated. */
export type Sendable = Command | PlainMessage | string;
/** What can be published to all subscribers. */
export type Publishable = Event | string;
/** What a handler can be registered for. */
export type Handleable = Contract | string;

/** What a sender hands in for a contract; with a name alone, anything. */
export type InputOf<C> = C extends Contract<ContractKind, infer Input, infer _Output, infer _Reply> ? Input : unknown;
/** What a handler gets: the schema's output. With a name alone the handler says itself what it expects. */
export type OutputOf<C> =
  C extends Contract<ContractKind, infer _Input, infer Output, infer _Reply>
    ? Output
    : // biome-ignore lint/suspicious/noExplicitAny: only `any` lets a handler of an untyped message name its own type
      any;
/** What a handler may reply with: what the contract declares, else any plain message or name. */
export type ReplyOf<C> =
  C extends Contract<ContractKind, infer _Input, infer _Output, infer Reply>
    ? Reply extends PlainMessage
      ? Reply
      : PlainMessage | string
    : PlainMessage | string;

/** The name of a contract, or the name itself. */
export function nameOf(type: Contract | string): string {
  return typeof type === 'string' ? type : type.name;
}

/** Users of JavaScript may hand in anything. */
export function isContract(value: unknown): value is Contract {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, name } = value as Partial<Contract>;
  return (kind === 'command' || kind === 'event' || kind === 'message') && typeof name === 'string';
}
