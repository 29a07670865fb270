import { webcrypto } from 'node:crypto';
import { BitString, Integer, OctetString, Utf8String } from 'asn1js';
import {
  AttributeTypeAndValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  ExtKeyUsage,
  GeneralName,
  GeneralNames,
  type PublicKeyInfo,
} from 'pkijs';

/**
 * Makes a key (ECDSA P-256) and a certificate for it, signed by `issuer`, or by itself when there is none.
 *
 * What the certificate may be used for follows from `kind`: an authority signs certificates of machines and nothing else; a
 * machine proves itself with its certificate, as client and as server.
 */
export async function issueCertificate(request: CertificateRequest): Promise<CertificateAndKey> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const issuer = request.issuer === undefined ? undefined : await readIssuer(request.issuer);
  const certificate = new Certificate();
  // The number counts from 0: this is version 3, the one with extensions.
  certificate.version = 2;
  certificate.serialNumber = new Integer({ valueHex: serialBytes(request.serial) });
  certificate.subject.typesAndValues.push(commonName(request.name));
  certificate.issuer = issuer?.certificate.subject ?? certificate.subject;
  setTime(certificate.notBefore, request.notBeforeMs);
  setTime(certificate.notAfter, request.notAfterMs);
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  certificate.extensions = await extensionsOf(request, certificate, issuer?.certificate);
  await certificate.sign(issuer?.key ?? keys.privateKey, HASH);
  return {
    certificate: pemOf('CERTIFICATE', certificate.toSchema(true).toBER(false)),
    key: pemOf('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)),
  };
}

export interface CertificateRequest {
  readonly kind: 'authority' | 'machine';
  /** The common name; of a machine also its DNS name. */
  readonly name: string;
  /** Absent: it signs itself. */
  readonly issuer?: CertificateAndKey;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** A UUID; no two certificates of an authority may share one. */
  readonly serial: string;
}

/** PEM texts. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const HASH = 'SHA-256';

async function readIssuer(issuer: CertificateAndKey) {
  const certificate = Certificate.fromBER(bytesOfPem(issuer.certificate));
  const key = await webcrypto.subtle.importKey('pkcs8', bytesOfPem(issuer.key), KEY_ALGORITHM, false, ['sign']);
  return { certificate, key };
}

async function extensionsOf(
  request: CertificateRequest,
  certificate: Certificate,
  issuer: Certificate | undefined,
): Promise<Extension[]> {
  const isAuthority = request.kind === 'authority';
  const constraints = new BasicConstraints(isAuthority ? { cA: true, pathLenConstraint: 0 } : { cA: false });
  const keyId = await keyIdOf(certificate.subjectPublicKeyInfo);
  const issuerKeyId = issuer === undefined ? keyId : await keyIdOf(issuer.subjectPublicKeyInfo);
  const always = [
    extension('2.5.29.19', true, constraints),
    extension('2.5.29.15', true, isAuthority ? MAY_SIGN_CERTIFICATES : MAY_SIGN),
    extension('2.5.29.14', false, keyId),
    extension('2.5.29.35', false, new AuthorityKeyIdentifier({ keyIdentifier: issuerKeyId })),
  ];
  if (isAuthority) return always;
  const dnsName = new GeneralName({ type: 2, value: request.name });
  return [
    ...always,
    extension('2.5.29.37', false, new ExtKeyUsage({ keyPurposes: [SERVER_AUTHENTICATION, CLIENT_AUTHENTICATION] })),
    extension('2.5.29.17', false, new GeneralNames({ names: [dnsName] })),
  ];
}

const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';
/** Bits of the key usage: keyCertSign and cRLSign; digitalSignature. */
const MAY_SIGN_CERTIFICATES = new BitString({ valueHex: Uint8Array.of(0b0000_0110), unusedBits: 1 });
const MAY_SIGN = new BitString({ valueHex: Uint8Array.of(0b1000_0000), unusedBits: 7 });

interface Encodable {
  toBER(): ArrayBuffer;
}

function extension(id: string, isCritical: boolean, value: Encodable | { toSchema(): Encodable }): Extension {
  const encodable = 'toSchema' in value ? value.toSchema() : value;
  return new Extension({ extnID: id, critical: isCritical, extnValue: encodable.toBER() });
}

/** RFC 7093: the first 160 bits of the SHA-256 of the public key. */
async function keyIdOf(publicKey: PublicKeyInfo): Promise<OctetString> {
  const digest = await webcrypto.subtle.digest(HASH, publicKey.subjectPublicKey.valueBlock.valueHexView);
  return new OctetString({ valueHex: digest.slice(0, 20) });
}

function commonName(name: string): AttributeTypeAndValue {
  return new AttributeTypeAndValue({ type: '2.5.4.3', value: new Utf8String({ value: name }) });
}

/** From 2050 on, a time of the other kind is wanted (RFC 5280, 4.1.2.5). */
function setTime(time: Certificate['notBefore'], wallMs: number): void {
  time.value = new Date(Math.floor(wallMs / 1000) * 1000);
  time.type = time.value.getUTCFullYear() < 2050 ? 0 : 1;
}

/** 122 random bits of the UUID; the first byte is one that makes the number positive and its encoding the shortest. */
function serialBytes(uuid: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([0x50, ...Buffer.from(uuid.replaceAll('-', ''), 'hex')]);
}

function pemOf(label: string, bytes: ArrayBuffer): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The bytes of the first block in a PEM text. */
function bytesOfPem(pem: string): Uint8Array<ArrayBuffer> {
  const body = /-----BEGIN [^-]+-----([^-]+)-----END/.exec(pem)?.[1] ?? '';
  return Uint8Array.from(Buffer.from(body, 'base64'));
}
