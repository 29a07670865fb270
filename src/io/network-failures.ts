import { NetworkFailure, type NetworkFailureCode } from './network.ts';

/** What stopped `connect`, in words and as a code; `place` is address and port. */
export function connectFailure(error: unknown, place: string): NetworkFailure {
  const systemCode = systemCodeOf(error);
  const code = CONNECT_CODES[systemCode] ?? 'OTHER';
  return new NetworkFailure(code, connectText(code, place, systemCode), systemCode, { cause: error });
}

const CONNECT_CODES: Readonly<Record<string, NetworkFailureCode>> = {
  ECONNREFUSED: 'REFUSED',
  ETIMEDOUT: 'TIMEOUT',
  EHOSTUNREACH: 'UNREACHABLE',
  ENETUNREACH: 'UNREACHABLE',
  EHOSTDOWN: 'UNREACHABLE',
  ENETDOWN: 'UNREACHABLE',
  // This machine has no address of that family, or a link-local address came without its interface.
  EADDRNOTAVAIL: 'UNREACHABLE',
  EAFNOSUPPORT: 'UNREACHABLE',
  EINVAL: 'UNREACHABLE',
  // A firewall of this machine.
  EACCES: 'UNREACHABLE',
  EPERM: 'UNREACHABLE',
  ECONNRESET: 'RESET',
  EPIPE: 'RESET',
  ECONNABORTED: 'RESET',
  EMFILE: 'OUT_OF_DESCRIPTORS',
  ENFILE: 'OUT_OF_DESCRIPTORS',
};

function connectText(code: NetworkFailureCode, place: string, systemCode: string): string {
  switch (code) {
    case 'REFUSED':
      return `${place} refused the connection: nothing listens there.`;
    case 'TIMEOUT':
      return `${place} did not answer.`;
    case 'UNREACHABLE':
      return `There is no way to ${place} (${systemCode}).`;
    case 'RESET':
      return `${place} broke the connection (${systemCode}).`;
    case 'OUT_OF_DESCRIPTORS':
      return `This process has no descriptor left to connect to ${place} (${systemCode}).`;
    default:
      return `Connecting to ${place} failed (${systemCode}).`;
  }
}

/** What stopped `listen`, or a listener that had begun. */
export function listenFailure(error: unknown, place: string): NetworkFailure {
  const systemCode = systemCodeOf(error);
  const [code, why] = LISTEN_CODES[systemCode] ?? (['OTHER', 'the system says no'] as const);
  return new NetworkFailure(code, `Cannot listen on ${place}: ${why} (${systemCode}).`, systemCode, { cause: error });
}

const NOT_OURS = ['ADDRESS_NOT_AVAILABLE', 'this machine has no such address now'] as const;
const FORBIDDEN = ['PERMISSION', 'this user may not take that port'] as const;
const NO_DESCRIPTORS = ['OUT_OF_DESCRIPTORS', 'this process has no descriptor left'] as const;
const LISTEN_CODES: Readonly<Record<string, readonly [NetworkFailureCode, string]>> = {
  EADDRINUSE: ['ADDRESS_IN_USE', 'another process has that port'],
  EADDRNOTAVAIL: NOT_OURS,
  EAFNOSUPPORT: ['ADDRESS_NOT_AVAILABLE', 'this machine has no IPv6'],
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EMFILE: NO_DESCRIPTORS,
  ENFILE: NO_DESCRIPTORS,
};

/** What broke a connection that stood. */
export function brokenFailure(error: unknown, place: string): NetworkFailure {
  const systemCode = systemCodeOf(error);
  if (isOfTls(systemCode)) return handshakeFailure(error, place);
  return new NetworkFailure('RESET', `The connection with ${place} broke (${systemCode}).`, systemCode, {
    cause: error,
  });
}

/** What stopped a TLS handshake before either side had judged a certificate. */
export function handshakeFailure(error: unknown, place: string): NetworkFailure {
  const systemCode = systemCodeOf(error);
  const failure = (code: NetworkFailureCode, text: string): NetworkFailure =>
    new NetworkFailure(code, text, systemCode, { cause: error });
  if (NOT_TLS.test(systemCode)) return failure('NO_TLS', `${place} speaks no TLS.`);
  if (CERTIFICATE_ALERT.test(systemCode))
    return failure('CERTIFICATE_REFUSED', `${place} refused this machine's certificate (${systemCode}).`);
  if (isOfTls(systemCode)) return failure('TLS_FAILED', `TLS with ${place} failed (${systemCode}).`);
  return failure('RESET', `${place} broke the connection while TLS began (${systemCode}).`);
}

const NOT_TLS =
  /^ERR_SSL_(WRONG_VERSION_NUMBER|HTTP_REQUEST|HTTPS_PROXY_REQUEST|PACKET_LENGTH_TOO_LONG|BAD_RECORD_TYPE)$/;
const CERTIFICATE_ALERT = /ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/;

function isOfTls(systemCode: string): boolean {
  return systemCode.startsWith('ERR_SSL_') || systemCode === 'EPROTO' || systemCode.startsWith('ERR_TLS_');
}

function systemCodeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no code';
}
