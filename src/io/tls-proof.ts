import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { NetworkFailure, type TlsMaterial } from './network.ts';

/**
 * Who the other side proved to be: the names in its certificate, or why the proof does not hold.
 *
 * This is the only gate (N4): both ends let Node finish the handshake in any case (`rejectUnauthorized: false`), so that
 * whoever is turned away can be told why, and then ask here before anything else is read or written.
 */
export function proofOf(socket: TLSSocket, place: string): readonly string[] | NetworkFailure {
  const certificate = socket.getPeerX509Certificate();
  // Asked first: a resumed session may count as authorized without a certificate.
  if (certificate === undefined)
    return new NetworkFailure('CERTIFICATE_MISSING', `${place} showed no certificate.`, 'NO_CERTIFICATE');
  if (socket.authorized !== true) return judgement(certificate, place, String(socket.authorizationError));
  return certificateNames(certificate);
}

function judgement(certificate: X509Certificate, place: string, systemCode: string): NetworkFailure {
  const names = certificateNames(certificate).join(', ') || 'no name';
  const whose = `The certificate of ${place} (${names})`;
  switch (systemCode) {
    case 'CERT_HAS_EXPIRED':
      return new NetworkFailure('CERTIFICATE_EXPIRED', `${whose} expired on ${certificate.validTo}.`, systemCode);
    case 'CERT_NOT_YET_VALID':
      return new NetworkFailure(
        'CERTIFICATE_NOT_YET_VALID',
        `${whose} is not valid before ${certificate.validFrom}, by the clock of this machine.`,
        systemCode,
      );
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
    case 'CERT_UNTRUSTED':
    case 'CERT_REJECTED':
      return new NetworkFailure(
        'CERTIFICATE_UNTRUSTED',
        `${whose} is of an authority that this machine does not know: ${nameIn(certificate.issuer)}.`,
        systemCode,
      );
    default:
      return new NetworkFailure('TLS_FAILED', `${whose} does not hold (${systemCode}).`, systemCode);
  }
}

/** The DNS names in a certificate, else its common name. */
export function certificateNames(
  certificate: Readonly<Pick<X509Certificate, 'subject' | 'subjectAltName'>>,
): readonly string[] {
  const dnsNames = alternativeNames(certificate.subjectAltName ?? '')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice('DNS:'.length));
  if (dnsNames.length > 0) return dnsNames;
  const commonName = nameIn(certificate.subject);
  return commonName === '' ? [] : [commonName];
}

/**
 * Splits `DNS:alpha, IP Address:10.0.0.2, URI:"a, DNS:b"`. Node quotes values that could pass for something else; they are
 * left out, for no machine has such a name.
 */
function alternativeNames(text: string): string[] {
  const names: string[] = [];
  for (const [, quoted, plain] of text.matchAll(/([A-Za-z ]+:"(?:[^"\\]|\\.)*")(?:, |$)|([^",]+)(?:, |$)/gy)) {
    if (quoted === undefined && plain !== undefined) names.push(plain);
  }
  return names;
}

/** The common name in a subject or issuer, as Node writes them: a part a line. */
export function nameIn(subject: string | undefined): string {
  const line = (subject ?? '').split('\n').find((part) => part.startsWith('CN='));
  return line?.slice('CN='.length) ?? '';
}

/**
 * TLS 1.3, our authorities and nobody else's. Sessions are never resumed (no tickets): each connection proves itself with
 * the certificate that is valid then, to the authorities that are trusted then.
 *
 * @throws {NetworkFailure} key and certificate do not fit, or one of the texts cannot be read
 */
export function secureOptions(material: TlsMaterial): SecureContextOptions {
  secureContextOf(material);
  return optionsOf(material);
}

/**
 * The context of a material; made once for each, because it costs as much as a handshake.
 *
 * @throws {NetworkFailure} as `secureOptions`
 */
export function secureContextOf(material: TlsMaterial): SecureContext {
  const known = contexts.get(material);
  if (known !== undefined) return known;
  try {
    // Throws when there is none: an empty text would stand for the authorities of the whole world.
    new X509Certificate(material.authorities);
    const context = createSecureContext(optionsOf(material));
    contexts.set(material, context);
    return context;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const text = `The key, certificate and authorities of this machine cannot be used: ${why}.`;
    throw new NetworkFailure('TLS_FAILED', text, undefined, { cause: error });
  }
}

const contexts = new WeakMap<TlsMaterial, SecureContext>();

function optionsOf(material: TlsMaterial): SecureContextOptions {
  return {
    key: material.key,
    cert: material.certificate,
    ca: material.authorities,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
