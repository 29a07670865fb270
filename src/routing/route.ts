import { type Address, formatAddress, parseAddress } from '../message/address.ts';
import { checkedNameOf } from '../message/check-message-type.ts';
import type { Contract, Sendable } from '../message/contract.ts';
import { NoRoute } from './errors.ts';

/** Where messages of one type are sent when `{ to }` says nothing. */
export interface Route {
  readonly type: string;
  /** The contract, when it was given one: its type is known to the endpoint then. */
  readonly contract: Contract | undefined;
  readonly destination: Address;
}

/**
 * Routes a type to `queue` or `queue@machine`. A misspelt queue of this machine is made as any other: see `SendOptions.to`.
 *
 * @throws {InvalidAddress} {InvalidMessageType}
 */
export function route(type: Sendable, to: string): Route {
  const name = checkedNameOf(type);
  return { type: name, contract: typeof type === 'string' ? undefined : type, destination: parseAddress(to) };
}

/** The routes of one endpoint. */
export class Routes {
  readonly #destinations: ReadonlyMap<string, Address>;

  constructor(routes: readonly Route[]) {
    this.#destinations = new Map(routes.map((each) => [each.type, each.destination]));
  }

  /** `queue` or `queue@machine` by message type. */
  describe(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#destinations].map(([type, destination]) => [type, formatAddress(destination)]));
  }

  /** @throws {NoRoute} naming both mends */
  destinationOf(type: string): Address {
    const destination = this.#destinations.get(type);
    if (destination === undefined) throw new NoRoute(type);
    return destination;
  }
}
