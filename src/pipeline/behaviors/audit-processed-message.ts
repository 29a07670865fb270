import type { Clock } from '../../io/io.ts';
import type { Address } from '../../message/address.ts';
import { Header } from '../../message/headers.ts';
import { formatTimestamp } from '../../message/timestamp.ts';
import { withoutFailureHeaders } from '../../recoverability/failure-headers.ts';
import type { Dispatcher } from '../../transport/transport.ts';
import type { Behavior } from '../behavior.ts';
import type { PhysicalStage } from '../stages.ts';

/**
 * Sends a copy of each message that was handled to the audit queue, in its own transaction. Failed and discarded ones
 * are not audited. Stands around everything that handles, and keeps the body as it arrived.
 */
export function auditProcessedMessage(audit: AuditParts): Behavior<PhysicalStage> {
  return async function auditProcessedMessage(context, next) {
    const startedAtMs = audit.clock.wallNowMs();
    await next(context);
    if (context.discardReason !== undefined) return;
    const headers = withoutFailureHeaders(context.headers);
    headers[Header.messageId] = context.messageId;
    headers[Header.processingStarted] = formatTimestamp(startedAtMs);
    headers[Header.processingEnded] = formatTimestamp(audit.clock.wallNowMs());
    headers[Header.processingEndpoint] = context.endpoint;
    headers[Header.processingMachine] = context.machine;
    headers[Header.hostId] = audit.hostId;
    headers[Header.hostDisplayName] = context.machine;
    const message = { destination: audit.queue, headers, body: context.body };
    await audit.dispatcher.dispatch([message], context.current.unitForSends());
  };
}

export interface AuditParts {
  readonly queue: Address;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly hostId: string;
}
