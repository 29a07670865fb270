import { NetworkFailure, type TlsMaterial } from '../../src/io/network.ts';

/** What a certificate of the simulation says; its text is this as JSON. No cryptography: who holds the text has the key. */
export interface CertificateText {
  readonly names: readonly string[];
  readonly authority: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A certificate of one authority for one machine. */
export function makeTlsMaterial(text: Partial<CertificateText> & { readonly names: readonly string[] }): TlsMaterial {
  const certificate: CertificateText = {
    authority: 'posthorn',
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    ...text,
  };
  return { key: 'key', certificate: JSON.stringify(certificate), authorities: 'posthorn' };
}

/** What `verifier` finds in the certificate of `shown`. */
export function checkCertificate(
  shown: TlsMaterial,
  verifier: TlsMaterial,
  wallNowMs: number,
): CertificateText | NetworkFailure {
  const certificate = JSON.parse(shown.certificate) as CertificateText;
  if (!verifier.authorities.split(' ').includes(certificate.authority)) {
    return new NetworkFailure('CERTIFICATE_UNTRUSTED', 'unable to verify the first certificate');
  }
  if (certificate.fromMs > wallNowMs) {
    return new NetworkFailure('CERTIFICATE_NOT_YET_VALID', 'certificate is not yet valid', 'CERT_NOT_YET_VALID');
  }
  if (certificate.toMs < wallNowMs) {
    return new NetworkFailure('CERTIFICATE_EXPIRED', 'certificate has expired', 'CERT_HAS_EXPIRED');
  }
  return certificate;
}
