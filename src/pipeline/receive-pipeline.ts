import type { SubscriptionStore } from '../routing/subscription-store.ts';
import type { Resource } from '../transactions/resource.ts';
import { type Behavior, type Pipeline, PipelineBuilder, type UserBehavior } from './behavior.ts';
import type { AuditParts } from './behaviors/audit-processed-message.ts';
import { auditProcessedMessage } from './behaviors/audit-processed-message.ts';
import { decodeEnvelope } from './behaviors/decode-envelope.ts';
import { deserializeBody } from './behaviors/deserialize-body.ts';
import { invokeHandlers } from './behaviors/invoke-handlers.ts';
import { rejectDamagedMessage } from './behaviors/reject-damaged-message.ts';
import { rejectProcessKiller } from './behaviors/reject-process-killer.ts';
import { requireHandler } from './behaviors/require-handler.ts';
import { resolveMessageType } from './behaviors/resolve-message-type.ts';
import { storeSubscription } from './behaviors/store-subscription.ts';
import { validateSchema } from './behaviors/validate-schema.ts';
import type { IncomingLogicalContext, IncomingPhysicalContext } from './handler-context.ts';
import type { HandlerRegistry } from './handler-registry.ts';
import type { IncomingParts } from './incoming-context.ts';
import type { Serializers } from './serializers.ts';
import type { DeliveryStage, PhysicalStage } from './stages.ts';

/**
 * Everything that a message meets between its queue and its handlers, in this order.
 *
 * It runs inside the message's transaction. Whatever throws rolls that back, and recoverability decides what comes next.
 */
export function receivePipeline(parts: ReceivePipelineParts): Pipeline<DeliveryStage> {
  return PipelineBuilder.startingWith<DeliveryStage>()
    .use(rejectDamagedMessage())
    .use(decodeEnvelope(parts.incoming, parts.newMessageId))
    .use(rejectProcessKiller())
    .use(parts.audit === undefined ? noAudit() : auditProcessedMessage(parts.audit))
    .useAll(parts.physicalBehaviors)
    .use(storeSubscription(parts.subscriptions))
    .use(resolveMessageType(parts.registry))
    .use(requireHandler())
    .use(deserializeBody(parts.serializers))
    .use(validateSchema())
    .useAll(parts.logicalBehaviors)
    .end(invokeHandlers());
}

export interface ReceivePipelineParts {
  readonly incoming: IncomingParts;
  readonly newMessageId: () => string;
  readonly registry: HandlerRegistry;
  readonly serializers: Serializers;
  readonly subscriptions: SubscriptionStore;
  /** Undefined: nothing is audited. */
  readonly audit: AuditParts | undefined;
  readonly physicalBehaviors: readonly UserBehavior<IncomingPhysicalContext<Resource>>[];
  readonly logicalBehaviors: readonly UserBehavior<IncomingLogicalContext<Resource>>[];
}

function noAudit(): Behavior<PhysicalStage> {
  return function noAudit(context, next) {
    return next(context);
  };
}
