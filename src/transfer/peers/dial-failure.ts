import { NameFailure, NetworkFailure } from '../../io/network.ts';
import { LinkFailure } from '../links/link-failure.ts';
import type { Reason } from '../reasons.ts';

/** Why a dial, or a whole attempt, came to nothing. */
export interface DialFailure {
  readonly reason: Reason;
  /** Of what stands at the other end: a clause that follows the address. */
  readonly text: string;
  /** Whom the reason is about, where several were tried. */
  readonly address?: string | undefined;
}

/** What one address had to say. */
export interface DialOutcome extends DialFailure {
  readonly address: string;
  readonly origin: CandidateOrigin;
}

/** Why an address is tried. */
export type CandidateOrigin =
  /** The name says so now. */
  | 'name'
  /** The machine was identified there before, and the name has no answer now. */
  | 'former'
  /** The machine has just connected from there. */
  | 'inbound';

/**
 * Somebody answered and it will not do: only a change over there, or of the name, can mend it, so attempts are slow and the
 * state is REFUSED. Everything else may be over in a moment.
 */
export function isRefusal(reason: Reason): boolean {
  return REFUSALS.has(reason);
}

const REFUSALS: ReadonlySet<Reason> = new Set<Reason>([
  'WRONG_HOST',
  'NOT_POSTHORN',
  'VERSION',
  'DUPLICATE_STORE',
  'NO_TLS',
  'TLS_REQUIRED',
  'TLS_FAILED',
  'CERTIFICATE_UNTRUSTED',
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_NOT_YET_VALID',
  'CERTIFICATE_OF_ANOTHER_MACHINE',
  'CERTIFICATE_MISSING',
  'CERTIFICATE_REFUSED',
  'PLAINTEXT_NOT_ALLOWED',
]);

/** What stopped a dial: a `LinkFailure`, in the words of an operator of this machine or of the other one. */
export function dialFailureOf(error: unknown, where: { readonly port: number }): DialFailure {
  if (!(error instanceof LinkFailure)) return { reason: 'RESET', text: `the attempt broke: ${clause(String(error))}` };
  return { reason: error.reason, text: plainWords(error, where.port) ?? clause(error.text) };
}

/** Where address and port, which stand beside it, say everything. */
function plainWords({ reason, cause }: LinkFailure, port: number): string | undefined {
  if (!(cause instanceof NetworkFailure)) return undefined;
  if (reason === 'CONNECT_REFUSED') return `nothing listens on port ${port}`;
  if (reason === 'CONNECT_TIMEOUT') return `no answer on port ${port} within ${CONNECT_TIMEOUT_MS / 1000} s`;
  if (reason === 'UNREACHABLE') return `no way there${cause.systemCode === undefined ? '' : ` (${cause.systemCode})`}`;
  return undefined;
}

/** A failed lookup. */
export function nameFailureOf(error: unknown): DialFailure {
  const text = clause(error instanceof Error ? error.message : String(error));
  if (!(error instanceof NameFailure)) return { reason: 'NAME_SERVER_FAILED', text };
  return { reason: NAME_REASONS[error.code], text };
}

const NAME_REASONS = {
  NOT_FOUND: 'NAME_NOT_FOUND',
  SERVER_FAILED: 'NAME_SERVER_FAILED',
  TIMEOUT: 'NAME_TIMEOUT',
} as const satisfies Record<NameFailure['code'], Reason>;

/** So that it can stand within a sentence. */
function clause(text: string): string {
  return text.replace(/[.\s]+$/, '');
}

export const CONNECT_TIMEOUT_MS = 5000;
export const NAME_TIMEOUT_MS = 5000;
