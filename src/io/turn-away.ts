import type { Socket } from 'node:net';
import type { NetworkFailureCode } from './network.ts';
import { nodeIo } from './node-io.ts';
import { refusalNotice } from './refusal-notice.ts';

/**
 * Tells the other side why it is not taken in, and closes. What it sends meanwhile is read and thrown away: a socket that is
 * closed with unread bytes is reset, and the notice might be lost with it.
 */
export function turnAway(socket: Socket, code: NetworkFailureCode): void {
  socket.removeAllListeners('error').on('error', () => undefined);
  const deadline = nodeIo().timers.after(GOODBYE_MS, () => socket.destroy());
  socket.once('close', () => deadline.cancel());
  socket.resume();
  socket.end(refusalNotice(code));
}

const GOODBYE_MS = 1000;
