import type { Io } from '../io/io.ts';
import type { Publishers } from '../routing/publisher.ts';
import { type SubscriptionIntent, subscriptionRequest } from '../routing/subscription-request.ts';
import type { SubscriptionStore } from '../routing/subscription-store.ts';
import type { Transport } from '../transport/transport.ts';

/**
 * Has events come to an endpoint's queue: those of this machine by its own table, those of others by a request to each
 * publisher that is known, which waits in the outgoing queue until that machine takes it.
 */
export class Subscribing {
  readonly #parts: SubscribingParts;

  constructor(parts: SubscribingParts) {
    this.#parts = parts;
  }

  /** Asks again for what it has already: a publisher that lost its store knows then. */
  async subscribe(types: readonly string[]): Promise<void> {
    const { subscriptions, endpoint } = this.#parts;
    for (const type of types) await subscriptions.subscribe(type, { queue: endpoint });
    await this.#ask('Subscribe', types);
  }

  async unsubscribe(type: string): Promise<void> {
    const { subscriptions, endpoint } = this.#parts;
    await subscriptions.unsubscribe(type, { queue: endpoint });
    await this.#ask('Unsubscribe', [type]);
  }

  async #ask(intent: SubscriptionIntent, types: readonly string[]): Promise<void> {
    const { transport, publishers, endpoint, io } = this.#parts;
    const subscriber = { queue: endpoint, machine: transport.machine };
    const nowMs = io.clock.wallNowMs();
    const requests = types.flatMap((type) =>
      publishers
        .of(type)
        .filter(({ machine }) => !transport.isHere(machine))
        .map((publisher) =>
          subscriptionRequest({ intent, type, publisher, subscriber, endpoint, messageId: io.random.uuid(), nowMs }),
        ),
    );
    if (requests.length > 0) await transport.dispatch(requests);
  }
}

export interface SubscribingParts {
  readonly endpoint: string;
  readonly transport: Transport;
  readonly subscriptions: SubscriptionStore;
  readonly publishers: Publishers;
  readonly io: Io;
}
