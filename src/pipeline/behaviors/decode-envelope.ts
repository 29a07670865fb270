import { Header } from '../../message/headers.ts';
import { parseHeaders } from '../../message/parse-headers.ts';
import type { Behavior } from '../behavior.ts';
import { UndecodableEnvelope } from '../errors.ts';
import { IncomingContext, type IncomingParts } from '../incoming-context.ts';
import type { DeliveryStage, PhysicalStage } from '../stages.ts';

/**
 * Reads the headers, which every later step needs. A message that came without an id gets one here, so that it can be
 * named; its copy in the error queue keeps it.
 */
export function decodeEnvelope(
  parts: IncomingParts,
  newMessageId: () => string,
): Behavior<DeliveryStage, PhysicalStage> {
  return function decodeEnvelope(attempt, next) {
    const headers = parseHeaders(attempt.delivery.headers);
    if (headers === undefined) throw new UndecodableEnvelope(attempt.delivery.headers.byteLength);
    const incoming = new IncomingContext(attempt, headers, headers[Header.messageId] ?? newMessageId(), parts);
    attempt.incoming = incoming;
    return next(incoming);
  };
}
