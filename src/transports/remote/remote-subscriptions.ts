import type { Io } from '../../io/io.ts';
import { type Address, parseAddress } from '../../message/address.ts';
import { invariant } from '../../message/posthorn-error.ts';
import { operationsAskedWith } from '../../operations/control-client.ts';
import { readSubscriptionKey } from '../../operations/subscription-key.ts';
import type { SubscriptionStore } from '../../routing/subscription-store.ts';
import { SubscriptionTable } from '../../routing/subscription-table.ts';
import type { OwnerLink } from './owner-link.ts';

/**
 * Who gets an event, as the process that owns the directory knows it. Read only: a send-only endpoint has no queue to
 * subscribe with.
 *
 * A copy that is at most a second old when an event is published: a subscriber that came within that second may miss it,
 * as with NServiceBus' cached subscriptions.
 */
export class RemoteSubscriptions implements SubscriptionStore {
  readonly #link: OwnerLink;
  readonly #io: Io;
  #table = new SubscriptionTable();
  #readMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(link: OwnerLink, io: Io) {
    this.#link = link;
    this.#io = io;
  }

  /** Undefined while the copy is young; else a promise that resolves when it is again, or the owner could not be asked. */
  freshness(): Promise<void> | undefined {
    if (this.#io.clock.monotonicNowMs() - this.#readMs < AGE_MS_MAX) return undefined;
    this.#reading ??= this.read()
      // The owner is gone for now; a send that follows says so if it stays away.
      .catch(() => undefined)
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  subscribersOf(type: string): readonly Address[] {
    return this.#table.subscribersOf(type);
  }

  async subscribe(): Promise<void> {
    invariant(false, 'a send-only endpoint does not subscribe');
  }

  async unsubscribe(): Promise<void> {
    invariant(false, 'a send-only endpoint does not subscribe');
  }

  async read(): Promise<void> {
    const begunMs = this.#io.clock.monotonicNowMs();
    const client = await this.#link.client(begunMs + READ_TIMEOUT_MS);
    const operations = operationsAskedWith((operation, request) => client.ask(operation, request));
    const table = new SubscriptionTable();
    let afterKey: string | undefined;
    for (let isLast = false; !isLast; ) {
      const page = await operations.readSubscriptions({ afterKey });
      for (const { key } of page.subscriptions) {
        const { type, queue } = readSubscriptionKey(key);
        table.add(type, parseAddress(queue));
      }
      afterKey = page.subscriptions.at(-1)?.key;
      isLast = page.isLast || afterKey === undefined;
    }
    this.#table = table;
    this.#readMs = begunMs;
  }
}

const AGE_MS_MAX = 1000;
const READ_TIMEOUT_MS = 10_000;
