import type { QueueManager } from '../../queues/queue-manager.ts';
import type { Transport } from '../../transport/transport.ts';

/** The transport of an endpoint whose queue manager lives in its own process. */
export function queueManagerTransport(manager: QueueManager): Transport {
  return {
    machine: manager.machine,
    coordinator: manager.coordinator,
    admission: () => manager.admission(),
    begin: () => manager.begin(),
    isHere: (machine) => manager.isHere(machine),
    dispatch: (messages, work) => manager.send(messages, work),
    openReceiver: (queue) => manager.openReceiver(queue),
  };
}
