import { OutgoingPipeline } from '../pipeline/outgoing-pipeline.ts';
import type { Attachment } from './attach.ts';
import type { ResolvedOptions } from './resolve-options.ts';
import { WaitingSends } from './waiting-sends.ts';

/** The way out of an endpoint: of what its handlers send, and of what its program does. */
export interface Outgoing {
  readonly pipeline: OutgoingPipeline;
  /** Waits for room before the pipeline. */
  readonly sends: WaitingSends;
}

export function makeOutgoing(endpoint: string, options: ResolvedOptions, attachment: Attachment): Outgoing {
  const { io, serializers, routes, isSendOnly } = options;
  const { dispatcher, subscriptions } = attachment;
  const ownQueue = isSendOnly ? undefined : { queue: endpoint };
  const pipeline = new OutgoingPipeline({ io, dispatcher, serializers, routes, subscriptions, endpoint, ownQueue });
  const sends = new WaitingSends(
    () => dispatcher.admission(),
    (verb, type, body, sendOptions) => pipeline.send({ verb, type, body, options: sendOptions }),
  );
  return { pipeline, sends };
}
