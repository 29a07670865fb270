import type { Address } from '../message/address.ts';

/**
 * Who gets an event: durable, kept by the queue manager under `subscription/<type>/<queue>`.
 *
 * Obligations
 * R1  After `subscribe` resolved, every later `subscribersOf` names the queue, also after a restart; twice is harmless.
 * R2  Who subscribes to `EVERY_EVENT` gets each event once, whether or not it has subscribed to its type too.
 * R3  `subscribersOf` answers from memory: it stands on the way of every publish.
 */
export interface SubscriptionStore {
  subscribersOf(type: string): readonly Address[];
  subscribe(type: string, queue: string): Promise<void>;
  unsubscribe(type: string, queue: string): Promise<void>;
}

/** Stands for all types in `subscribe`; no type can have this name. How a wire tap, or a test, hears of events that nobody else wants. */
export const EVERY_EVENT = '*';
