import type { Address } from '../message/address.ts';
import { EVERY_EVENT } from './subscription-store.ts';

/** Who gets which event, in memory: what every kind of `SubscriptionStore` answers from. */
export class SubscriptionTable {
  readonly #byType = new Map<string, readonly Address[]>();

  subscribersOf(type: string): readonly Address[] {
    const own = this.#byType.get(type) ?? NOBODY;
    const toEverything = this.#byType.get(EVERY_EVENT);
    if (toEverything === undefined) return own;
    return [...own, ...toEverything.filter((each) => !isAmong(own, each.queue))];
  }

  has(type: string, queue: string): boolean {
    return isAmong(this.#byType.get(type) ?? NOBODY, queue);
  }

  add(type: string, queue: string): void {
    if (!this.has(type, queue)) this.#byType.set(type, [...(this.#byType.get(type) ?? NOBODY), { queue }]);
  }

  remove(type: string, queue: string): void {
    const remaining = (this.#byType.get(type) ?? NOBODY).filter((each) => each.queue !== queue);
    if (remaining.length === 0) this.#byType.delete(type);
    else this.#byType.set(type, remaining);
  }
}

const NOBODY: readonly Address[] = [];

function isAmong(subscribers: readonly Address[], queue: string): boolean {
  return subscribers.some((subscriber) => subscriber.queue === queue);
}
