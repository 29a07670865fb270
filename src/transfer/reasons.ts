/**
 * Every reason why messages for another machine are not moving, and what stands behind it. docs/troubleshooting.md has a
 * row for each, which a test holds.
 */
export const REASONS = [
  'NOTHING_TO_SEND',
  // Names.
  'NAME_NOT_FOUND',
  'NAME_SERVER_FAILED',
  'NAME_TIMEOUT',
  // Reaching an address.
  'CONNECT_REFUSED',
  'CONNECT_TIMEOUT',
  'UNREACHABLE',
  'RESET',
  'PEER_SILENT',
  'HANDSHAKE_TIMEOUT',
  /** Only an address from before answers, and it is not the machine. */
  'STALE_ADDRESS',
  // Who answered.
  'WRONG_HOST',
  'NOT_POSTHORN',
  'VERSION',
  'DUPLICATE_STORE',
  'TOO_MANY_CONNECTIONS',
  'PEER_SHUTTING_DOWN',
  // TLS.
  'NO_TLS',
  'TLS_REQUIRED',
  'TLS_FAILED',
  'CERTIFICATE_UNTRUSTED',
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_NOT_YET_VALID',
  'CERTIFICATE_OF_ANOTHER_MACHINE',
  'CERTIFICATE_MISSING',
  'CERTIFICATE_REFUSED',
  // The receiver pauses the stream.
  'QUEUE_FULL',
  'STORE_FULL',
  'BUSY',
  'QUEUE_NOT_YET_THERE',
  'STORE_RECOVERING',
  'RESYNCHRONIZING',
  // Here.
  'OPERATOR',
  'RESYNC_NEEDED',
  'LOCAL_STORE',
  'PLAINTEXT_NOT_ALLOWED',
  'SHUTDOWN',
] as const;

export type Reason = (typeof REASONS)[number];
