/**
 * Headers are text by name. They come from outside, so they are data only: held in objects without a prototype, read by
 * own key, names checked at the door (`checkHeaders`), and never used to find or load code (G-Z3).
 */
export type Headers = Readonly<Record<string, string>>;

/**
 * The header names. Those that begin with `NServiceBus.` are NServiceBus' own, with its meaning and value format
 * (DESIGN decision 8), so that its operator tools can read our error and audit queues.
 */
export const Header = {
  /** Set by the sender, never changes, also not when the message fails or returns. */
  messageId: 'NServiceBus.MessageId',
  /** Id of the message that began the exchange; a reply carries the request's. */
  correlationId: 'NServiceBus.CorrelationId',
  /** Same for all messages that one first message caused. */
  conversationId: 'NServiceBus.ConversationId',
  /** Id of the message whose handler sent this one; absent outside handlers. */
  relatedTo: 'NServiceBus.RelatedTo',
  /** `Send`, `Publish`, `Reply`, `Subscribe`, `Unsubscribe`. */
  messageIntent: 'NServiceBus.MessageIntent',
  /** `True` on messages that the bus itself sends: no type, no body, no handler. */
  controlMessage: 'NServiceBus.ControlMessage',
  /** On `Subscribe` and `Unsubscribe`: the type of the events. */
  subscriptionMessageType: 'SubscriptionMessageType',
  /** On `Subscribe` and `Unsubscribe`: `queue@machine` where the events go. */
  subscriberAddress: 'NServiceBus.SubscriberAddress',
  subscriberEndpoint: 'NServiceBus.SubscriberEndpoint',
  /** `queue@machine` where a reply goes. */
  replyToAddress: 'NServiceBus.ReplyToAddress',
  /** `;`-separated type names, most specific first. */
  enclosedMessageTypes: 'NServiceBus.EnclosedMessageTypes',
  contentType: 'NServiceBus.ContentType',
  /** `hh:mm:ss[.fffffff]`; from the time of sending, or from the due time of a delayed message. */
  timeToBeReceived: 'NServiceBus.TimeToBeReceived',
  /** Wire format of `formatTimestamp`. */
  timeSent: 'NServiceBus.TimeSent',
  /** When a delayed message is due. For display; the store's own deadline decides. */
  deliverAt: 'NServiceBus.DeliverAt',
  originatingEndpoint: 'NServiceBus.OriginatingEndpoint',
  originatingMachine: 'NServiceBus.OriginatingMachine',
  /** Count of delayed retries so far; set when a message is put back with a delay, removed when it goes to the error queue. */
  delayedRetries: 'NServiceBus.Retries',
  delayedRetriesTimestamp: 'NServiceBus.Retries.Timestamp',
  /** `queue@machine` where the message failed; return-to-source sends it there. */
  failedQueue: 'NServiceBus.FailedQ',
  timeOfFailure: 'NServiceBus.TimeOfFailure',
  exceptionType: 'NServiceBus.ExceptionInfo.ExceptionType',
  innerExceptionType: 'NServiceBus.ExceptionInfo.InnerExceptionType',
  exceptionHelpLink: 'NServiceBus.ExceptionInfo.HelpLink',
  exceptionMessage: 'NServiceBus.ExceptionInfo.Message',
  exceptionSource: 'NServiceBus.ExceptionInfo.Source',
  exceptionStackTrace: 'NServiceBus.ExceptionInfo.StackTrace',
  /** Prefix; the rest is the key of one entry of the exception's data. */
  exceptionData: 'NServiceBus.ExceptionInfo.Data.',
  processingEndpoint: 'NServiceBus.ProcessingEndpoint',
  processingMachine: 'NServiceBus.ProcessingMachine',
  processingStarted: 'NServiceBus.ProcessingStarted',
  processingEnded: 'NServiceBus.ProcessingEnded',
  hostId: '$.diagnostics.hostid',
  hostDisplayName: '$.diagnostics.hostdisplayname',
  /** Why a message is in an error queue, one of `FailureReason`; absent means a handler failed. */
  failureReason: 'Posthorn.FailureReason',
  /** How often handlers were tried in all, over both levels of retries. */
  attempts: 'Posthorn.Attempts',
  /** How often the process died while it handled this message. */
  deaths: 'Posthorn.Deaths',
  /** Base64 of the stored header bytes, when those could not be read. */
  undecodableHeaders: 'Posthorn.UndecodableHeaders',
  /** `off`: the sender wants no copy in the dead-letter queue when its time to be received runs out. */
  deadLetter: 'Posthorn.DeadLetter',
  /** Why a message is in the dead-letter queue: `NACK_RECEIVE_TIMEOUT`, `NACK_Q_PURGED`, … (MSMQ's classes). */
  deadLetterReason: 'Posthorn.DeadLetterReason',
  /** `queue@machine` that the dead-lettered message was meant for. */
  deadLetterQueue: 'Posthorn.DeadLetterSource',
  /** The reason as a sentence, with names and values. */
  deadLetterText: 'Posthorn.DeadLetterText',
  /** 0 to 7, on a message for another machine, when it is not the default: outgoing queues keep commit order. */
  priority: 'Posthorn.Priority',
  /** `hh:mm:ss[.fffffff]`, on a message for another machine: how long it may take until it is in the queue there. */
  timeToReachQueue: 'Posthorn.TimeToReachQueue',
  /** `true`: it was sent before to a store that is gone, and may have been handled there. */
  possibleDuplicate: 'Posthorn.PossibleDuplicate',
  /** `queue@machine` that wants to hear what becomes of the message. */
  administrationQueue: 'Posthorn.AdministrationQueue',
  /** What it wants to hear: `reached`, `received`, or both with a comma between. */
  acknowledge: 'Posthorn.Acknowledge',
  /** On an acknowledgement: what became of the message that `correlationId` names, an `AcknowledgementClass`. */
  acknowledgement: 'Posthorn.Acknowledgement',
  /** On an acknowledgement: `queue@machine` that the message was meant for. */
  acknowledgedQueue: 'Posthorn.AcknowledgedQueue',
} as const;

/** The reason recorded on a message in an error queue, each decided in one place (G-P7, musts 8 of peers.md). */
export type FailureReason =
  | 'HandlerFailed'
  | 'UndecodableEnvelope'
  | 'DamagedMessage'
  | 'UndecodableBody'
  | 'UnknownMessageType'
  | 'NoHandler'
  | 'SchemaInvalid'
  | 'InvalidSubscription'
  | 'ProcessDied';

/** Makes a header object without a prototype. */
export function headersOf(entries: Headers): Record<string, string> {
  return Object.assign(Object.create(null), entries);
}
