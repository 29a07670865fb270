import type { QueueManager } from '../../../src/queues/queue-manager.ts';
import type { Delivery, Receiver } from '../../../src/transport/transport.ts';
import { pause } from '../senders.ts';

/** Moves what comes into `from` to the end of `to`, in order, until stopped: out of the one and into the other in one unit. */
export async function keepMoving(manager: QueueManager, from: string, to: string): Promise<Moving> {
  const receiver = await manager.openReceiver(from);
  const moving = moveOn(manager, receiver, to);
  return {
    stop: () => {
      receiver.close();
      return moving;
    },
  };
}

export interface Moving {
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

async function moveOn(manager: QueueManager, receiver: Receiver, to: string): Promise<void> {
  while (await receiver.peek()) {
    const deliveries = receiveSome(receiver);
    if (deliveries.length === 0) {
      // What is next waits for a handler of another queue that must run alone.
      await pause(NOTHING_READY_PAUSE_MS);
      continue;
    }
    const work = manager.begin();
    const moved = deliveries.map(({ headers, body }) => ({
      destination: { queue: to },
      headers: {},
      headerBytes: headers,
      body,
    }));
    await manager.send(moved, work);
    for (const delivery of deliveries) delivery.complete(work);
    await work.commit();
  }
}

/** No start is noted: nothing that is moved can kill a process. */
function receiveSome(receiver: Receiver): Delivery[] {
  const deliveries: Delivery[] = [];
  while (deliveries.length < UNIT_MESSAGES_MAX) {
    const delivery = receiver.receive();
    if (delivery === undefined) break;
    deliveries.push(delivery);
  }
  return deliveries;
}

const UNIT_MESSAGES_MAX = 32;
const NOTHING_READY_PAUSE_MS = 5;
