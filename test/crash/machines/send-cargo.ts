import { Header } from '../../../src/message/headers.ts';
import type { QueueManager } from '../../../src/queues/queue-manager.ts';
import { type Cargo, QUEUES } from './workload.ts';

/** Sends messages with these ids to the queue `done` of a machine, in one unit. */
export function sendCargo(manager: QueueManager, machine: string, ids: readonly string[]): Promise<void> {
  return manager.send(
    ids.map((id) => ({
      destination: { queue: QUEUES.done, machine },
      headers: { [Header.messageId]: id },
      body: Buffer.from(JSON.stringify({ id, padding: '' } satisfies Cargo)),
    })),
  );
}
