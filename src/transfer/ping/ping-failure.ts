import type { PingStep } from '../ping-report.ts';
import { REASONS, type Reason } from '../reasons.ts';

/** At which step of the way an attempt ended, and why. */
export interface PingFailure {
  readonly step: PingStep['step'];
  readonly reason: Reason;
  readonly text: string;
}

/** Of what `PingDoors.openLink` rejected with. */
export function pingFailureOf(error: unknown, usesTls: boolean): PingFailure {
  const { reason, text } = error as { readonly reason?: unknown; readonly text?: unknown };
  const known = REASONS.find((one) => one === reason);
  if (known === undefined) return { step: 'identity', reason: 'RESET', text: `The attempt broke: ${String(error)}` };
  return { step: stepOf(known, usesTls), reason: known, text: String(text) };
}

function stepOf(reason: Reason, usesTls: boolean): PingStep['step'] {
  if (AT_CONNECT.has(reason)) return 'connect';
  if (AT_TLS.has(reason)) return 'tls';
  if (reason === 'VERSION') return 'version';
  // With TLS that is what comes first on a connection that stands.
  if (reason === 'RESET' || reason === 'HANDSHAKE_TIMEOUT') return usesTls ? 'tls' : 'identity';
  return 'identity';
}

const AT_CONNECT: ReadonlySet<Reason> = new Set<Reason>(['CONNECT_REFUSED', 'CONNECT_TIMEOUT', 'UNREACHABLE']);

const AT_TLS: ReadonlySet<Reason> = new Set<Reason>([
  'NO_TLS',
  'TLS_REQUIRED',
  'TLS_FAILED',
  'CERTIFICATE_UNTRUSTED',
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_NOT_YET_VALID',
  'CERTIFICATE_MISSING',
  'CERTIFICATE_REFUSED',
  'PLAINTEXT_NOT_ALLOWED',
]);
