import type { IncomingStatus } from './incoming-status.ts';
import type { OutgoingStatus } from './outgoing-status.ts';
import type { PingReport } from './ping-report.ts';

/** What an operator can see and do about the traffic with other machines, while the queue manager runs. `Transfer` is it. */
export interface TransferOperations {
  /** All outgoing queues in the order of their names, those of held and idle ones too. */
  describeOutgoing(): Promise<readonly OutgoingStatus[]>;
  describeIncoming(): IncomingStatus;
  /** Sends nothing new of this queue until `release`, also after a restart. */
  hold(queue: string, by: string): Promise<void>;
  release(queue: string): Promise<void>;
  /** Tries at once: the name is resolved again, every backoff begins anew. */
  retry(queue: string): void;
  /** Looks at the way to a machine and, when it answers, has it look back. */
  ping(machine: string): Promise<PingReport>;
}
