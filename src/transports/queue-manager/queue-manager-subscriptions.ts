import { type Address, formatAddress, parseAddress } from '../../message/address.ts';
import type { QueueManager } from '../../queues/queue-manager.ts';
import type { SubscriptionStore } from '../../routing/subscription-store.ts';
import { SubscriptionTable } from '../../routing/subscription-table.ts';
import type { Outcome, UnitOfWork } from '../../transactions/unit-of-work.ts';

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

  async subscribe(type: string, subscriber: Address, work?: UnitOfWork): Promise<void> {
    const own = this.#written(subscriber);
    if (work === undefined && this.#table.has(type, own)) return;
    await this.#change(work, keyOf(type, own), '{}', () => this.#table.add(type, own));
  }

  async unsubscribe(type: string, subscriber: Address, work?: UnitOfWork): Promise<void> {
    const own = this.#written(subscriber);
    await this.#change(work, keyOf(type, own), undefined, () => this.#table.remove(type, own));
  }

  /** The disk and what is in memory change together, in the order of the commits. */
  async #change(
    work: UnitOfWork | undefined,
    key: string,
    value: string | undefined,
    committed: () => void,
  ): Promise<void> {
    const unit = work ?? this.#manager.begin();
    this.#manager.setState(unit, key, value);
    unit.enlist({
      contribute: () => undefined,
      ended: (outcome: Outcome) => {
        if (outcome === 'committed') committed();
      },
    });
    if (work === undefined) await unit.commit();
  }

  /** One way to write each subscriber: no machine for this one, lower case for others. */
  #written({ queue, machine }: Address): Address {
    return machine === undefined || this.#manager.isHere(machine)
      ? { queue }
      : { queue, machine: machine.toLowerCase() };
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
    const [type = '', subscriber = ''] = key.slice(PREFIX.length).split('/');
    this.#table.add(decodeURIComponent(type), parseAddress(subscriber));
  }
}

function keyOf(type: string, subscriber: Address): string {
  return `${PREFIX}${encodeURIComponent(type)}/${formatAddress(subscriber)}`;
}

const opened = new WeakMap<QueueManager, Promise<QueueManagerSubscriptions>>();
const PREFIX = 'subscription/';
const PAGE = 256;
