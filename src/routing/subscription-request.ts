import { type Address, formatAddress, parseAddress } from '../message/address.ts';
import { checkMessageType } from '../message/check-message-type.ts';
import { Header, type Headers } from '../message/headers.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import { formatTimestamp } from '../message/timestamp.ts';
import type { OutgoingMessage } from '../transport/transport.ts';

/**
 * The message by which an endpoint asks a publisher on another machine for the events of a type, or says that it wants no
 * more. It is NServiceBus' own control message of message-driven publish-subscribe: headers only (nservicebus-and-msmq.md 1.12).
 */
export function subscriptionRequest(facts: SubscriptionFacts): OutgoingMessage {
  const { intent, type, publisher, subscriber, endpoint, messageId } = facts;
  const address = formatAddress(subscriber);
  const headers: Headers = {
    [Header.messageId]: messageId,
    [Header.messageIntent]: intent,
    [Header.controlMessage]: 'True',
    [Header.subscriptionMessageType]: type,
    [Header.subscriberAddress]: address,
    [Header.subscriberEndpoint]: endpoint,
    [Header.replyToAddress]: address,
    [Header.correlationId]: messageId,
    [Header.conversationId]: messageId,
    [Header.originatingEndpoint]: endpoint,
    [Header.originatingMachine]: subscriber.machine,
    [Header.timeSent]: formatTimestamp(facts.nowMs),
  };
  return { destination: publisher, headers, body: NO_BODY };
}

export interface SubscriptionFacts {
  readonly intent: SubscriptionIntent;
  readonly type: string;
  readonly publisher: Address;
  readonly subscriber: Required<Address>;
  readonly endpoint: string;
  readonly messageId: string;
  readonly nowMs: number;
}

export type SubscriptionIntent = 'Subscribe' | 'Unsubscribe';

/** What a message asks for; undefined when it is no such request, and why it cannot be met when it is one and is wrong. */
export function readSubscriptionRequest(headers: Headers): ReadSubscriptionRequest | undefined {
  const intent = headers[Header.messageIntent];
  if (intent !== 'Subscribe' && intent !== 'Unsubscribe') return undefined;
  // NServiceBus writes an assembly-qualified name: `Sales.OrderPlaced, Sales, Version=…`.
  const type = (headers[Header.subscriptionMessageType] ?? '').split(',', 1)[0]?.trim() ?? '';
  const subscriber = headers[Header.subscriberAddress] ?? headers[Header.replyToAddress];
  if (subscriber === undefined) return { isValid: false, why: `it has no header ${Header.subscriberAddress}` };
  try {
    checkMessageType(type);
    return { isValid: true, intent, type, subscriber: parseAddress(subscriber) };
  } catch (error) {
    if (!isPosthornError(error, 'INVALID_MESSAGE_TYPE') && !isPosthornError(error, 'INVALID_ADDRESS')) throw error;
    return { isValid: false, why: error.message };
  }
}

export type ReadSubscriptionRequest =
  | {
      readonly isValid: true;
      readonly intent: SubscriptionIntent;
      readonly type: string;
      readonly subscriber: Address;
    }
  | { readonly isValid: false; readonly why: string };

const NO_BODY = new Uint8Array(0);
