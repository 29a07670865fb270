import type { Timer } from '../../io/io.ts';
import type { OutgoingQueue } from '../../queues/transfer-door.ts';
import type { OutgoingStream } from '../streams/stream.ts';

/** One stream of a peer, and the channel it has. */
export interface PeerStream {
  readonly queue: OutgoingQueue;
  readonly stream: OutgoingStream;
  /** Runs when a pause is over that no link has seen the end of. */
  pauseTimer: Timer | undefined;
}

/** True when a link would be of use to it at this moment. */
export function wantsLink({ stream }: PeerStream, nowMs: number): boolean {
  const { state, pause } = stream.view;
  if (!stream.needsLink || state === 'failed') return false;
  return state !== 'paused' || pause === undefined || pause.untilMs <= nowMs;
}
