import type { FailureGroup } from '../operations/failure-group.ts';
import type { MessageDetails, MessageSummary } from '../operations/message-summary.ts';
import type { ReturnOperation } from '../operations/return-operation.ts';
import { isoTime } from './format.ts';

/*
 * What `--json` prints. Field names are a promise to scripts: they are added to, never renamed. Times are ISO 8601 in
 * UTC; what is not known is absent.
 */

export function messageJson(queue: string, message: MessageSummary) {
  const { failure, deadLetter } = message;
  return {
    id: message.id,
    queue,
    position: message.position,
    priority: message.priority,
    messageType: message.messageType,
    bodyBytes: message.bodyBytes,
    isLocked: message.isLocked,
    sentAt: isoTime(message.sentMs),
    dueAt: isoTime(message.dueMs),
    ...(failure !== undefined && {
      failure: {
        reason: failure.reason,
        exceptionType: failure.exceptionType,
        text: failure.text,
        failedQueue: failure.failedQueue,
        failedAt: isoTime(failure.failedMs),
        attempts: failure.attempts,
        group: failure.group,
      },
    }),
    ...(deadLetter !== undefined && { deadLetter }),
  };
}

export function detailsJson(queue: string, message: MessageDetails) {
  const body = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength);
  const text = textOf(message.body);
  return {
    ...messageJson(queue, message),
    headers: message.headers,
    ...(text === undefined ? { bodyBase64: body.toString('base64') } : { body: text }),
  };
}

export function groupJson(group: FailureGroup) {
  return {
    group: group.id,
    count: group.count,
    exceptionType: group.exceptionType,
    frame: group.frame,
    messageType: group.messageType,
    firstFailureAt: isoTime(group.firstFailureMs),
    lastFailureAt: isoTime(group.lastFailureMs),
    exampleId: group.exampleId,
    exampleText: group.exampleText,
  };
}

export function operationJson(operation: ReturnOperation) {
  return {
    operation: operation.id,
    state: operation.state,
    queue: operation.errorQueue,
    to: operation.to,
    filter: operation.filter,
    total: operation.total,
    lookedAt: operation.lookedAt,
    returned: operation.returned,
    left: operation.left,
    leftExamples: operation.leftExamples,
    startedAt: isoTime(operation.startedMs),
    updatedAt: isoTime(operation.updatedMs),
  };
}

/** The body as text; undefined when it is not UTF-8. */
export function textOf(body: Uint8Array): string | undefined {
  try {
    return decoder.decode(body);
  } catch {
    return undefined;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true });
