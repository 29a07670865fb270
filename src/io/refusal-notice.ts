import { NetworkFailure, type NetworkFailureCode } from './network.ts';

/**
 * What the door of one side says to the door of the other when it takes nobody in, because TLS cannot say it: in TLS 1.3 a
 * client is connected before its certificate is judged, and Node sends no alert when it judges. One line of text:
 *
 *     posthorn refused: CERTIFICATE_EXPIRED\n
 *
 * It stands where the first frame would, and cannot be one: as a length it would be 1.8 GB.
 */
export function refusalNotice(code: NetworkFailureCode): Uint8Array {
  return Buffer.from(`${BEGIN}${code}\n`);
}

/** The failure that the first bytes from `place` tell of; `incomplete` when more are needed, undefined when they are no notice. */
export function readRefusalNotice(bytes: Uint8Array, place: string): NetworkFailure | 'incomplete' | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, LENGTH_MAX)).toString('latin1');
  if (!text.startsWith(BEGIN.slice(0, text.length))) return undefined;
  const end = text.indexOf('\n');
  if (end === -1) return text.length < LENGTH_MAX ? 'incomplete' : undefined;
  return failureOf(text.slice(BEGIN.length, end), place);
}

const BEGIN = 'posthorn refused: ';
const LENGTH_MAX = 80;

function failureOf(said: string, place: string): NetworkFailure {
  if (said === 'TLS_REQUIRED') return new NetworkFailure('TLS_REQUIRED', `${place} speaks TLS only.`, said);
  const why = CERTIFICATE_WORDS[said];
  if (why !== undefined)
    return new NetworkFailure('CERTIFICATE_REFUSED', `${place} refused this machine's certificate: ${why}.`, said);
  return new NetworkFailure('OTHER', `${place} refused the connection.`);
}

const CERTIFICATE_WORDS: Readonly<Record<string, string>> = {
  CERTIFICATE_EXPIRED: 'it has expired',
  CERTIFICATE_NOT_YET_VALID: "it is not valid yet, by the other side's clock",
  CERTIFICATE_UNTRUSTED: 'its authority is unknown there',
  CERTIFICATE_MISSING: 'none was shown',
  TLS_FAILED: 'it is not fit for this',
};
