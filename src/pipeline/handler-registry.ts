import { checkedNameOf } from '../message/check-message-type.ts';
import type { Contract, ContractKind, Handleable } from '../message/contract.ts';
import { checkOption, FUNCTION } from '../message/option-shapes.ts';
import { ContractConflict, SecondHandler } from './errors.ts';
import type { AnyHandler } from './handler-context.ts';

/** A message type that an endpoint knows, and its handlers in the order in which they were registered. */
export interface KnownType {
  readonly name: string;
  /** Undefined for a type that is known by name only. */
  readonly contract: Contract | undefined;
  readonly handlers: readonly AnyHandler[];
}

/** The message types that one endpoint knows. */
export class HandlerRegistry {
  readonly #types = new Map<string, KnownType>();

  /**
   * @throws {SecondHandler} the type is a command and has one
   * @throws {ContractConflict} another contract has this name
   * @throws {InvalidMessageType} {InvalidOption} they are no type and handler
   */
  addHandler(type: Handleable, handler: AnyHandler): void {
    checkOption('handler', handler, FUNCTION);
    const known = this.addType(type);
    if (known.contract?.kind === 'command' && known.handlers.length > 0) throw new SecondHandler(known.name);
    this.#types.set(known.name, { ...known, handlers: [...known.handlers, handler] });
  }

  /** Makes a type known, without a handler. */
  addType(type: Handleable): KnownType {
    const name = checkedNameOf(type);
    const contract = typeof type === 'string' ? undefined : type;
    const before = this.#types.get(name);
    if (before?.contract !== undefined && contract !== undefined && before.contract !== contract)
      throw new ContractConflict(name);
    const known = { name, contract: before?.contract ?? contract, handlers: before?.handlers ?? [] };
    this.#types.set(name, known);
    return known;
  }

  get(name: string): KnownType | undefined {
    return this.#types.get(name);
  }

  all(): Iterable<KnownType> {
    return this.#types.values();
  }

  /**
   * The first known of the types that a message encloses, most specific first (`A;B`). An assembly-qualified .NET name
   * (`Sales.PlaceOrder, Sales, Version=…`) is known by what stands before the comma.
   */
  firstKnown(enclosedTypes: string): KnownType | undefined {
    const whole = this.#types.get(enclosedTypes);
    if (whole !== undefined || !/[;,]/.test(enclosedTypes)) return whole;
    for (const each of enclosedTypes.split(';')) {
      const known = this.#types.get(each.trim()) ?? this.#types.get((each.split(',', 1)[0] ?? '').trim());
      if (known !== undefined) return known;
    }
    return undefined;
  }

  /** Types to subscribe to: events, and names without a contract, which may be events, that have a handler. */
  subscribableTypes(): string[] {
    const kinds: readonly (ContractKind | undefined)[] = ['event', undefined];
    return [...this.#types.values()]
      .filter((known) => known.handlers.length > 0 && kinds.includes(known.contract?.kind))
      .map((known) => known.name);
  }
}
