import type { Address } from '../message/address.ts';

/**
 * Who gets an event: durable, kept by the queue manager under `subscription/<type>/<queue>`.
 *
 * Obligations
 * R1  After `subscribe` resolved, every later `subscribersOf` names the queue, also after a restart; twice is harmless.
 * R2  `subscribersOf` answers from memory: it stands on the way of every publish.
 */
export interface SubscriptionStore {
  subscribersOf(type: string): readonly Address[];
  subscribe(type: string, queue: string): Promise<void>;
  unsubscribe(type: string, queue: string): Promise<void>;
}
