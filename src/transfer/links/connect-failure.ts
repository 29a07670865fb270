import type { NetworkFailure, NetworkFailureCode } from '../../io/network.ts';
import type { Reason } from '../reasons.ts';
import type { RefusalCode } from '../wire/frames.ts';
import { LinkFailure } from './link-failure.ts';

/** A failure of the network door on the way to `name`, as a reason with a sentence. */
export function connectFailure(name: string, failure: NetworkFailure): LinkFailure {
  const text = failure.message.startsWith(name) ? failure.message : `${name}: ${failure.message}`;
  return new LinkFailure(NETWORK_REASONS[failure.code], text, { cause: failure });
}

/** What the refusal of an acceptor means for the one who dialled. */
export function reasonOfRefusal(code: RefusalCode): Reason {
  return REFUSAL_REASONS[code];
}

const NETWORK_REASONS: Readonly<Record<NetworkFailureCode, Reason>> = {
  REFUSED: 'CONNECT_REFUSED',
  TIMEOUT: 'CONNECT_TIMEOUT',
  HANDSHAKE_TIMEOUT: 'HANDSHAKE_TIMEOUT',
  UNREACHABLE: 'UNREACHABLE',
  RESET: 'RESET',
  NO_TLS: 'NO_TLS',
  TLS_REQUIRED: 'TLS_REQUIRED',
  CERTIFICATE_UNTRUSTED: 'CERTIFICATE_UNTRUSTED',
  CERTIFICATE_EXPIRED: 'CERTIFICATE_EXPIRED',
  CERTIFICATE_NOT_YET_VALID: 'CERTIFICATE_NOT_YET_VALID',
  CERTIFICATE_REFUSED: 'CERTIFICATE_REFUSED',
  CERTIFICATE_MISSING: 'CERTIFICATE_MISSING',
  TLS_FAILED: 'TLS_FAILED',
  // Of listening; in `connect` they can only be about the source address, so there is no way.
  ADDRESS_IN_USE: 'UNREACHABLE',
  ADDRESS_NOT_AVAILABLE: 'UNREACHABLE',
  PERMISSION: 'UNREACHABLE',
  OUT_OF_DESCRIPTORS: 'UNREACHABLE',
  ABORTED: 'SHUTDOWN',
  OTHER: 'UNREACHABLE',
};

const REFUSAL_REASONS: Readonly<Record<RefusalCode, Reason>> = {
  WRONG_HOST: 'WRONG_HOST',
  WRONG_CERTIFICATE: 'CERTIFICATE_REFUSED',
  VERSION: 'VERSION',
  DUPLICATE_STORE: 'DUPLICATE_STORE',
  TOO_MANY_CONNECTIONS: 'TOO_MANY_CONNECTIONS',
  // Our HELLO is not understood there: the other side speaks something near this protocol, but not it.
  MALFORMED: 'VERSION',
  HANDSHAKE_TIMEOUT: 'HANDSHAKE_TIMEOUT',
  SHUTTING_DOWN: 'PEER_SHUTTING_DOWN',
};
