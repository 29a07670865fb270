import { type Address, formatAddress, parseAddress } from '../message/address.ts';
import { checkedNameOf } from '../message/check-message-type.ts';
import type { Contract, Publishable } from '../message/contract.ts';

/** Who publishes events of one type on another machine: there an endpoint asks for them. */
export interface Publisher {
  readonly type: string;
  /** The contract, when it was given one: its type is known to the endpoint then. */
  readonly contract: Contract | undefined;
  readonly address: Address;
}

/**
 * Says that events of a type are published by the endpoint `queue@machine`. Subscriptions belong to a machine, so any of
 * its endpoints that has a queue will do.
 *
 * @throws {InvalidAddress} {InvalidMessageType}
 */
export function publisher(type: Publishable, at: string): Publisher {
  const name = checkedNameOf(type);
  return { type: name, contract: typeof type === 'string' ? undefined : type, address: parseAddress(at) };
}

/** The publishers that one endpoint knows. A type may have several. */
export class Publishers {
  readonly #all: readonly Publisher[];

  constructor(publishers: readonly Publisher[]) {
    this.#all = publishers;
  }

  of(type: string): readonly Address[] {
    return this.#all.filter((each) => each.type === type).map((each) => each.address);
  }

  /** `queue` or `queue@machine` by message type. */
  describe(): Readonly<Record<string, readonly string[]>> {
    return Object.fromEntries(this.#all.map(({ type }) => [type, this.of(type).map(formatAddress)]));
  }
}
