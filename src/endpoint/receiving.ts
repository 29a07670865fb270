import type { Address } from '../message/address.ts';
import { parseAddress } from '../message/address.ts';
import type { UserBehavior } from '../pipeline/behavior.ts';
import type { DistributedParts } from '../pipeline/distributed-work.ts';
import type { IncomingLogicalContext, IncomingPhysicalContext } from '../pipeline/handler-context.ts';
import type { HandlerRegistry } from '../pipeline/handler-registry.ts';
import type { OutgoingPipeline } from '../pipeline/outgoing-pipeline.ts';
import { ProcessingLoop } from '../pipeline/processing-loop.ts';
import { receivePipeline } from '../pipeline/receive-pipeline.ts';
import { CriticalErrorTrigger } from '../recoverability/critical-error-trigger.ts';
import type { CriticalError, Notifications } from '../recoverability/notifications.ts';
import { RateLimiter } from '../recoverability/rate-limiter.ts';
import { RecoverabilityExecutor } from '../recoverability/recoverability-executor.ts';
import type { SubscriptionStore } from '../routing/subscription-store.ts';
import type { Resource } from '../transactions/resource.ts';
import type { ResourceUse } from '../transactions/transaction-coordinator.ts';
import type { Receiver, Transport } from '../transport/transport.ts';
import { hostIdOf } from './host-id.ts';
import type { ResolvedOptions } from './resolve-options.ts';
import { ResourceFence } from './resource-fence.ts';

/** The receiving half of an endpoint, wired and not yet running. */
export interface Receiving {
  readonly loop: ProcessingLoop;
  readonly limiter: RateLimiter;
}

export function makeReceiving(parts: ReceivingParts): Receiving {
  const { endpoint, options, transport, notifications, outgoing } = parts;
  const { io, logger, recoverability: config } = options;
  const hostId = hostIdOf(transport.machine);
  const ownQueue: Address = { queue: endpoint };
  const makeTrigger = (): CriticalErrorTrigger =>
    new CriticalErrorTrigger({ endpoint, io, logger, notifications, onCriticalError: parts.onCriticalError });
  const limiter = new RateLimiter({
    options: options.given.recoverability?.rateLimit,
    endpoint,
    io,
    logger,
    notifications,
    onChange: () => loop.lookAgain(),
  });
  const { resourceUse: use, distributed } = parts;
  const fence =
    use === undefined ? undefined : new ResourceFence({ use, endpoint, logger, onChange: () => loop.lookAgain() });
  const loop: ProcessingLoop = new ProcessingLoop({
    endpoint,
    transactions: { mode: options.mode, transport, distributed },
    receiver: parts.receiver,
    fence,
    timeoutMs: options.timeoutMs,
    concurrency: parts.concurrency,
    pipeline: receivePipeline({
      incoming: { endpoint, ownQueue, dispatcher: transport, outgoing, logger },
      newMessageId: () => io.random.uuid(),
      registry: parts.registry,
      serializers: options.serializers,
      subscriptions: parts.subscriptions,
      audit:
        options.auditQueue === undefined
          ? undefined
          : { queue: options.auditQueue, dispatcher: transport, clock: io.clock, hostId },
      physicalBehaviors: parts.physicalBehaviors,
      logicalBehaviors: parts.logicalBehaviors,
    }),
    recoverability: new RecoverabilityExecutor({
      transport,
      io,
      logger,
      notifications,
      trigger: makeTrigger(),
      config,
      policy: options.policy,
      endpoint,
      queue: parseAddress(endpoint),
      hostId,
    }),
    limiter,
    receiveTrigger: makeTrigger(),
    commitTrigger: makeTrigger(),
    notifications,
    logger,
    io,
  });
  return { loop, limiter };
}

export interface ReceivingParts {
  readonly endpoint: string;
  readonly options: ResolvedOptions;
  readonly transport: Transport;
  readonly distributed: DistributedParts;
  /** Undefined without databases. */
  readonly resourceUse: ResourceUse | undefined;
  readonly receiver: Receiver;
  readonly concurrency: number;
  readonly registry: HandlerRegistry;
  readonly outgoing: OutgoingPipeline;
  readonly subscriptions: SubscriptionStore;
  readonly notifications: Notifications;
  readonly physicalBehaviors: readonly UserBehavior<IncomingPhysicalContext<Resource>>[];
  readonly logicalBehaviors: readonly UserBehavior<IncomingLogicalContext<Resource>>[];
  readonly onCriticalError: (critical: CriticalError) => void | Promise<void>;
}
