import { formatAddress } from '../../message/address.ts';
import { type ReadSubscriptionRequest, readSubscriptionRequest } from '../../routing/subscription-request.ts';
import type { SubscriptionStore } from '../../routing/subscription-store.ts';
import type { Behavior } from '../behavior.ts';
import { InvalidSubscription } from '../errors.ts';
import type { PhysicalStage } from '../stages.ts';

/**
 * Meets the requests of endpoints on other machines to get events of a type, or no more of them: the subscription changes
 * in the unit that takes the request out of the queue. Stands behind the user's physical behaviors, where one may refuse a
 * subscriber, and before the message type, which such a request does not have.
 */
export function storeSubscription(subscriptions: SubscriptionStore): Behavior<PhysicalStage> {
  return function storeSubscription(context, next) {
    const request = readSubscriptionRequest(context.headers);
    return request === undefined ? next(context) : meet(request, context, subscriptions);
  };
}

async function meet(
  request: ReadSubscriptionRequest,
  context: PhysicalStage,
  subscriptions: SubscriptionStore,
): Promise<void> {
  if (!request.isValid) throw new InvalidSubscription(request.why);
  const { intent, type, subscriber } = request;
  const work = context.current.unitForSends();
  if (intent === 'Subscribe') await subscriptions.subscribe(type, subscriber, work);
  else await subscriptions.unsubscribe(type, subscriber, work);
  context.logger.info(`${intent} to '${type}' from '${formatAddress(subscriber)}'.`);
}
