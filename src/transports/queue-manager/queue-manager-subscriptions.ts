import type { Address } from '../../message/address.ts';
import type { QueueManager } from '../../queues/queue-manager.ts';
import type { SubscriptionStore } from '../../routing/subscription-store.ts';
import { SubscriptionTable } from '../../routing/subscription-table.ts';

/** Subscriptions kept in the queue manager's key-value state, one key each, mirrored in memory. One value per queue manager. */
export class QueueManagerSubscriptions implements SubscriptionStore {
  readonly #manager: QueueManager;
  readonly #table = new SubscriptionTable();

  private constructor(manager: QueueManager) {
    this.#manager = manager;
  }

  /** The subscriptions of a queue manager, read once; every endpoint on it gets the same value. */
  static of(manager: QueueManager): Promise<QueueManagerSubscriptions> {
    const known = opened.get(manager);
    if (known !== undefined) return known;
    const opening = new QueueManagerSubscriptions(manager).#read();
    opened.set(manager, opening);
    return opening;
  }

  subscribersOf(type: string): readonly Address[] {
    return this.#table.subscribersOf(type);
  }

  async subscribe(type: string, queue: string): Promise<void> {
    if (this.#table.has(type, queue)) return;
    await this.#write(type, queue, '{}');
    this.#table.add(type, queue);
  }

  async unsubscribe(type: string, queue: string): Promise<void> {
    await this.#write(type, queue, undefined);
    this.#table.remove(type, queue);
  }

  async #write(type: string, queue: string, value: string | undefined): Promise<void> {
    const work = this.#manager.begin();
    this.#manager.setState(work, `${PREFIX}${encodeURIComponent(type)}/${queue}`, value);
    await work.commit();
  }

  async #read(): Promise<this> {
    let afterKey: string | undefined;
    for (let isLast = false; !isLast; ) {
      const page = await this.#manager.readState({
        prefix: PREFIX,
        countMax: PAGE,
        ...(afterKey !== undefined && { afterKey }),
      });
      for (const { key } of page.entries) this.#remember(key);
      afterKey = page.entries.at(-1)?.key;
      isLast = page.isLast;
    }
    return this;
  }

  #remember(key: string): void {
    const [type = '', queue = ''] = key.slice(PREFIX.length).split('/');
    this.#table.add(decodeURIComponent(type), queue);
  }
}

const opened = new WeakMap<QueueManager, Promise<QueueManagerSubscriptions>>();
const PREFIX = 'subscription/';
const PAGE = 256;
