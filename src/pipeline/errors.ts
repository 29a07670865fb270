import type { FailureReason } from '../message/headers.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { UnhandleableMessage } from '../recoverability/errors.ts';

/** The stored headers of a message are not a JSON object of texts. It was moved to the error queue as it is. */
export class UndecodableEnvelope extends UnhandleableMessage {
  readonly code = 'UNDECODABLE_ENVELOPE';
  readonly reason: FailureReason = 'UndecodableEnvelope';

  constructor(headerBytes: number) {
    super(
      `The headers of a message (${headerBytes} bytes) cannot be read as a JSON object of texts.`,
      `The copy in the error queue holds them in base64 beside the untouched body; correct the sender.`,
    );
  }
}

/** The bytes of a stored message do not match their checksum. It was moved to the error queue as it is. */
export class DamagedMessage extends UnhandleableMessage {
  readonly code = 'DAMAGED_MESSAGE';
  readonly reason: FailureReason = 'DamagedMessage';

  constructor() {
    super(
      'The stored bytes of a message do not match their checksum, so no handler was given it.',
      'Check the disk; look at the copy in the error queue before you return it.',
    );
  }
}

/** The process died several times while it handled a message. The message was moved to the error queue without another try. */
export class ProcessDied extends UnhandleableMessage {
  readonly code = 'PROCESS_DIED';
  readonly reason: FailureReason = 'ProcessDied';

  constructor(deaths: number) {
    super(
      `The process died ${deaths} times while it handled this message.`,
      'Find out what the handler does with it (exit, memory, native code), then return it to its queue.',
    );
  }
}

/** The body of a message cannot be read by the serializer of its content type. It was moved to the error queue. */
export class UndecodableBody extends UnhandleableMessage {
  readonly code = 'UNDECODABLE_BODY';
  readonly reason: FailureReason = 'UndecodableBody';

  constructor(contentType: string, why: string, options?: ErrorOptions) {
    super(
      `The body cannot be read as '${contentType.slice(0, 100)}': ${why}.`,
      "Correct the sender, or add a serializer of that content type to the endpoint's option 'serializers'.",
      options,
    );
  }
}

/** A message's type is not known to the endpoint. It was moved to the error queue. */
export class UnknownMessageType extends UnhandleableMessage {
  readonly code = 'UNKNOWN_MESSAGE_TYPE';
  readonly reason: FailureReason = 'UnknownMessageType';

  constructor(enclosedTypes: string | undefined, endpoint: string) {
    super(
      enclosedTypes === undefined
        ? `A message that came to endpoint '${endpoint}' does not say its type.`
        : `Endpoint '${endpoint}' does not know the message type '${enclosedTypes.slice(0, 200)}'.`,
      'Correct the sender or its route, or handle the type here; then return the message to its queue.',
    );
  }
}

/** A message's type is known, but the endpoint has no handler for it. It was moved to the error queue. */
export class NoHandler extends UnhandleableMessage {
  readonly code = 'NO_HANDLER';
  readonly reason: FailureReason = 'NoHandler';

  constructor(type: string, endpoint: string) {
    super(
      `Endpoint '${endpoint}' knows '${type}' but has no handler for it.`,
      'Correct the route of the sender, or add a handler; then return the message to its queue.',
    );
  }
}

/** The body of a received message does not fit the schema of its contract. It was moved to the error queue. */
export class SchemaInvalid extends UnhandleableMessage {
  readonly code = 'SCHEMA_INVALID';
  readonly reason: FailureReason = 'SchemaInvalid';

  constructor(type: string, issues: string) {
    super(
      `The body of a '${type}' does not fit its schema: ${issues}.`,
      'Correct the sender or the schema; then return the message to its queue.',
    );
  }
}

/** A request to subscribe, or to unsubscribe, does not say what is needed. It was moved to the error queue; nothing else changed. */
export class InvalidSubscription extends UnhandleableMessage {
  readonly code = 'INVALID_SUBSCRIPTION';
  readonly reason: FailureReason = 'InvalidSubscription';

  constructor(why: string) {
    super(
      `A request to subscribe cannot be met: ${why}`,
      'Correct the subscriber; an endpoint asks again when it starts.',
    );
  }
}

/** A body was handed in that does not fit the schema of its contract, or that the serializer cannot write. Nothing was sent. */
export class InvalidBody extends PosthornError {
  readonly code = 'INVALID_BODY';

  constructor(type: string, why: string, options?: ErrorOptions) {
    super(
      `The body for '${type}' was refused: ${why.replace(/\.$/, '')}.`,
      'Correct the body, or its schema. Nothing was sent.',
      options,
    );
  }
}

/** The body is something that JSON leaves out, as `undefined` or a function. Nothing was sent. */
export class NoJson extends PosthornError {
  readonly code = 'NO_JSON';

  constructor(kind: string) {
    super(`${kind} has no JSON.`, 'Send an object or null.');
  }
}

/** An event was sent, a command published, or something else was done with the wrong kind of contract. Nothing was sent. */
export class WrongMessageKind extends PosthornError {
  readonly code = 'WRONG_MESSAGE_KIND';

  constructor(type: string, kind: string, verb: string) {
    super(
      `'${type}' is ${kind === 'event' ? 'an' : 'a'} ${kind} and cannot be used with ${verb}.`,
      'Commands are sent to one endpoint, events are published to all who subscribed, replies are plain messages.',
    );
  }
}

/** A reply was asked for, but the message does not say where replies go. Nothing was sent. */
export class NoReplyAddress extends PosthornError {
  readonly code = 'NO_REPLY_ADDRESS';

  constructor(messageId: string) {
    super(
      `Message '${messageId}' does not say where replies go.`,
      "Its sender must be an endpoint with a queue, or name one with the option 'replyTo'.",
    );
  }
}

/** A message was deferred twice in one attempt at it, which would have made two of it. The second time did nothing. */
export class AlreadyDeferred extends PosthornError {
  readonly code = 'ALREADY_DEFERRED';

  constructor(messageId: string) {
    super(
      `Message '${messageId}' was already deferred in this attempt, and two deferred copies would be handled twice.`,
      'Call context.defer() once, in one of its handlers.',
    );
  }
}

/** A second handler was registered for a command, which has exactly one. */
export class SecondHandler extends PosthornError {
  readonly code = 'SECOND_HANDLER';

  constructor(type: string) {
    super(`The command '${type}' already has a handler.`, 'Put both into one handler, or define an event instead.');
  }
}

/** Two contracts with one name were given to an endpoint; which schema to use could not be known. */
export class ContractConflict extends PosthornError {
  readonly code = 'CONTRACT_CONFLICT';

  constructor(type: string) {
    super(`Two different contracts are named '${type}'.`, 'Share one contract value, or rename one of them.');
  }
}

/** A behavior called `next` twice; the handlers ran once. */
export class NextCalledTwice extends PosthornError {
  readonly code = 'NEXT_CALLED_TWICE';

  constructor(behavior: string) {
    super(`The behavior '${behavior}' called next() twice for one message.`, 'Call it at most once, and await it.');
  }
}

/** A handler, or a transaction of the program, ran longer than the transaction timeout. What it did was rolled back. */
export class TransactionTimedOut extends PosthornError {
  readonly code = 'TRANSACTION_TIMED_OUT';

  constructor(timeoutMs: number, what: 'handler' | 'transaction' = 'handler') {
    super(
      `The ${what} was still running after the transaction timeout of ${timeoutMs} ms; its work was rolled back.`,
      "Make it faster, let it heed its signal, or raise the option 'transactions.timeoutMs'.",
    );
  }
}

/** The endpoint stopped before a transaction of the program ended. Nothing of it is there. */
export class TransactionAborted extends PosthornError {
  readonly code = 'TRANSACTION_ABORTED';

  constructor(endpoint: string) {
    super(
      `Endpoint '${endpoint}' stopped before the transaction ended; its work was rolled back.`,
      'Let it heed tx.signal, or give stop() a longer timeoutMs.',
    );
  }
}

/** `transaction` was called inside a transaction of another endpoint. Nothing was done. */
export class TransactionElsewhere extends PosthornError {
  readonly code = 'TRANSACTION_ELSEWHERE';

  constructor(endpoint: string, around: string) {
    super(
      `A transaction of endpoint '${endpoint}' was asked for inside one of endpoint '${around}', and the two would not commit together.`,
      `Call transaction() of '${around}', which joins, or send a message to '${endpoint}'.`,
    );
  }
}

/** The code around a joined transaction ended before it. Everything was rolled back. */
export class NestedTransactionOpen extends PosthornError {
  readonly code = 'NESTED_TRANSACTION_OPEN';

  constructor() {
    super(
      'A transaction that had joined this one was still running when this one was to commit; everything was rolled back.',
      'Await every endpoint.transaction(…) before the handler, or the function around it, returns.',
    );
  }
}

/** A joined transaction failed, and the code around it went on. Everything was rolled back. */
export class NestedTransactionFailed extends PosthornError {
  readonly code = 'NESTED_TRANSACTION_FAILED';

  constructor(cause: Error) {
    super(
      `A transaction that had joined this one failed before (${cause.message}), so this one cannot commit.`,
      'Let its error leave the handler, or the function around it.',
      { cause },
    );
  }
}

/** The endpoint stopped while a handler was running. Its work was rolled back, and its message is in the queue again. */
export class HandlerAborted extends PosthornError {
  readonly code = 'HANDLER_ABORTED';

  constructor(endpoint: string) {
    super(
      `Endpoint '${endpoint}' stopped before the handler ended; its work was rolled back, the message is in its queue.`,
      'Let the handler heed context.signal, or give stop() a longer timeoutMs.',
    );
  }
}
