import type { StandardSchemaV1 } from '@standard-schema/spec';

/**
 * A contract is one value, a name and perhaps a schema, that types sender, handler and reply (DESIGN decision 9).
 * The `kind` keeps an event from being sent and a command from being published, at compile time and at run time.
 */
export interface Contract<Kind extends ContractKind = ContractKind, Input = unknown, Output = Input> {
  readonly kind: Kind;
  /** Travels in `NServiceBus.EnclosedMessageTypes`. Never used to find or load code (G-Z3). */
  readonly name: string;
  readonly schema: StandardSchemaV1<Input, Output> | undefined;
  /** Types only, absent at run time. */
  readonly types?: { readonly input: Input; readonly output: Output };
}

export type ContractKind = 'command' | 'event' | 'message';
export type Command<Input = unknown, Output = Input> = Contract<'command', Input, Output>;
export type Event<Input = unknown, Output = Input> = Contract<'event', Input, Output>;
/** A reply, or what is neither an order to one endpoint nor news to all. */
export type PlainMessage<Input = unknown, Output = Input> = Contract<'message', Input, Output>;

/** What a sender hands in for a contract. */
export type InputOf<C> = C extends Contract<ContractKind, infer Input, infer _Output> ? Input : never;
/** What a handler gets: the schema's output. */
export type OutputOf<C> = C extends Contract<ContractKind, infer _Input, infer Output> ? Output : never;
