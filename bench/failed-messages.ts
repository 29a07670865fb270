import { Header } from '../src/message/headers.ts';
import type { QueueManager } from '../src/queues/queue-manager.ts';
import { failureHeaders } from '../src/recoverability/failure-headers.ts';
import { ORDER_JSON } from './bench-messages.ts';

/** Puts `count` messages of 1 KiB into the queue `error`, as ten different failures of two handlers left them. */
export async function fillErrorQueue(manager: QueueManager, count: number): Promise<void> {
  for (let first = 0; first < count; first += UNIT_MESSAGES) {
    await manager.admission();
    const size = Math.min(UNIT_MESSAGES, count - first);
    await manager.send(Array.from({ length: size }, (_, index) => failedMessage(manager.machine, first + index)));
  }
}

const UNIT_MESSAGES = 100;

class PriceMissing extends TypeError {}

/** Made once: making a stack costs more than storing a message. */
const ERRORS = Array.from({ length: 10 }, (_, kind) =>
  kind % 2 === 0 ? new PriceMissing(`article ${kind} has no price`) : new RangeError(`line ${kind} is out of range`),
);

function failedMessage(machine: string, number: number) {
  const id = `00000000-0000-4000-9000-${String(number).padStart(12, '0')}`;
  const endpoint = number % 3 === 0 ? 'billing' : 'sales';
  const headers = failureHeaders({
    error: ERRORS[number % ERRORS.length] ?? new Error('no price'),
    reason: 'HandlerFailed',
    failedQueue: `${endpoint}@${machine}`,
    failedAtMs: Date.now(),
    endpoint,
    machine,
    hostId: '0f0e0d0c',
    attempts: 24,
    deaths: 0,
    messageId: id,
    originalHeaders: {
      [Header.messageId]: id,
      [Header.messageIntent]: 'Send',
      [Header.enclosedMessageTypes]: `Bench.Order${number % 5}`,
      [Header.contentType]: 'application/json',
      [Header.timeSent]: '2026-01-01 00:00:00:000000 Z',
    },
    originalHeaderBytes: new Uint8Array(),
  });
  return { destination: { queue: 'error' }, headers, body: ORDER_JSON };
}
