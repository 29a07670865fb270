import type { Address } from '../message/address.ts';
import { EVERY_EVENT } from './subscription-store.ts';

/**
 * Who gets which event, in memory: what every kind of `SubscriptionStore` answers from. Machine names are written in one
 * way (lower case, none for this machine) by whoever adds.
 */
export class SubscriptionTable {
  readonly #byType = new Map<string, readonly Address[]>();

  subscribersOf(type: string): readonly Address[] {
    const own = this.#byType.get(type) ?? NOBODY;
    const toEverything = this.#byType.get(EVERY_EVENT);
    if (toEverything === undefined) return own;
    return [...own, ...toEverything.filter((each) => !isAmong(own, each))];
  }

  has(type: string, subscriber: Address): boolean {
    return isAmong(this.#byType.get(type) ?? NOBODY, subscriber);
  }

  add(type: string, subscriber: Address): void {
    if (!this.has(type, subscriber)) this.#byType.set(type, [...(this.#byType.get(type) ?? NOBODY), subscriber]);
  }

  remove(type: string, subscriber: Address): void {
    const remaining = (this.#byType.get(type) ?? NOBODY).filter((each) => !isSame(each, subscriber));
    if (remaining.length === 0) this.#byType.delete(type);
    else this.#byType.set(type, remaining);
  }
}

const NOBODY: readonly Address[] = [];

function isAmong(subscribers: readonly Address[], subscriber: Address): boolean {
  return subscribers.some((each) => isSame(each, subscriber));
}

function isSame(one: Address, other: Address): boolean {
  return one.queue === other.queue && one.machine === other.machine;
}
