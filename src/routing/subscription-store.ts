import type { Address } from '../message/address.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';

/**
 * Who gets an event: durable, kept by the queue manager under `subscription/<type>/<queue>`, where a subscriber of another
 * machine is `queue@machine`.
 *
 * Obligations
 * R1  After `subscribe` resolved, or the unit that it was given committed, every later `subscribersOf` names the subscriber,
 *     also after a restart; twice is harmless. With a unit it resolves at once, and nothing has changed when that is rolled
 *     back. Changes take effect in the order of their commits.
 * R2  Who subscribes to `EVERY_EVENT` gets each event once, whether or not it has subscribed to its type too.
 * R3  `subscribersOf` answers from memory: it stands on the way of every publish.
 */
export interface SubscriptionStore {
  subscribersOf(type: string): readonly Address[];
  subscribe(type: string, subscriber: Address, work?: UnitOfWork): Promise<void>;
  unsubscribe(type: string, subscriber: Address, work?: UnitOfWork): Promise<void>;
}

/** Stands for all types in `subscribe`; no type can have this name. How a wire tap, or a test, hears of events that nobody else wants. */
export const EVERY_EVENT = '*';
