import type { OutgoingDescription } from '../operations/operations.ts';

/**
 * True when an outgoing queue is what a monitoring check should ring for: messages are there, and they
 *
 * - were refused by whoever answered (REFUSED), or need a decision (RESYNC_NEEDED): at once;
 * - do not get away in any other state, or are not acknowledged though connected, for longer than `alarmAfterMs`.
 *
 * What an operator holds is no alarm, and neither is a backlog that moves.
 */
export function isAlarming(status: OutgoingDescription, alarmAfterMs: number): boolean {
  if (status.messages === 0) return false;
  if (status.state === 'REFUSED' || status.reason === 'RESYNC_NEEDED') return true;
  if (status.state === 'ON_HOLD') return false;
  if ((status.oldestAgeMs ?? 0) <= alarmAfterMs) return false;
  const isMoving = status.state === 'CONNECTED' && (status.lastAcknowledgedAgoMs ?? Infinity) <= alarmAfterMs;
  return !isMoving;
}

export const ALARM_AFTER_DEFAULT = '60s';
