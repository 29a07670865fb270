import type { Queue } from './queue.ts';

/** Messages that count for a queue's quota: waiting, delayed, and on their way into either. */
export function usedMessages({ waiting, delayed }: Queue): number {
  const inDelayed = delayed === undefined ? 0 : delayed.messages + delayed.pendingMessages;
  return waiting.messages + waiting.pendingMessages + inDelayed;
}

/** Their headers and bodies, in bytes. */
export function usedBytes({ waiting, delayed }: Queue): number {
  const inDelayed = delayed === undefined ? 0 : delayed.bytes + delayed.pendingBytes;
  return waiting.bytes + waiting.pendingBytes + inDelayed;
}
