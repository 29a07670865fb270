import type { Endpoint } from '../../src/endpoint/endpoint.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import type { LedgerWriter } from './ledger.ts';
import { type Cargo, kindAt, makeId, QUEUES, queueOf } from './workload.ts';

/**
 * Sends messages of all kinds, several at a time, each noted before and after, until stopped.
 */
export function keepSending(endpoint: Endpoint, ledger: LedgerWriter, options: SendingOptions): Sending {
  const { random } = nodeIo();
  let isStopped = false;
  let number = 0;
  const sendOn = async (): Promise<void> => {
    while (!isStopped) {
      const kind = kindAt(random.fraction());
      const id = makeId(options.writer, ++number, kind);
      const cargo: Cargo = { id, kind, padding: 'p'.repeat(Math.floor(random.fraction() * 600)) };
      ledger.note('intent', id);
      await endpoint.send('Crash.Begin', cargo, {
        to: queueOf(kind),
        messageId: id,
        ...(kind === 'delayed' && { delayMs: 20 + random.fraction() * 300 }),
        ...(kind === 'expiring' && { timeToBeReceivedMs: 20 + random.fraction() * 300 }),
      });
      ledger.note('accepted', id);
      do await pause(options.pauseMs);
      while (!isStopped && options.isBehind());
    }
  };
  const senders = Array.from({ length: options.concurrency }, sendOn);
  return {
    stop: async () => {
      isStopped = true;
      await Promise.all(senders);
    },
  };
}

export interface Sending {
  /** Resolves when every send that was begun was answered. */
  stop(): Promise<void>;
}

export interface SendingOptions {
  /** Begins the ids; no two processes share one. */
  readonly writer: string;
  readonly concurrency: number;
  /** After each send of each of them. */
  readonly pauseMs: number;
  /** True while handlers have more than enough to do. */
  isBehind(): boolean;
}

const BACKLOG_MAX = 300;

export function isBacklogLong(manager: QueueManager): boolean {
  const waiting = manager.status().filter(({ queue }) => queue === QUEUES.first || queue === QUEUES.second);
  return waiting.reduce((sum, { messages }) => sum + messages, 0) > BACKLOG_MAX;
}

export function pause(pauseMs: number): Promise<void> {
  return new Promise((resolve) => void nodeIo().timers.after(pauseMs, resolve, { keepsProcessAlive: true }));
}
