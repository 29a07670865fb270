import type { X509Certificate } from 'node:crypto';
import { certificateNames, nameIn } from '../io/tls-proof.ts';
import { isReadableByOthers } from '../io/whole-file.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import { type KeyKind, keyFiles, readCertificates, readKey } from './key-files.ts';
import { DAY_MS } from './make-authority.ts';

/** What a directory of keys holds, for operators: each certificate with its names, its time and what is wrong with it. */
export async function describeKeys(directory: string, nowMs: number): Promise<readonly DescribedCertificate[]> {
  const authorities = await describeFile(directory, 'authority', nowMs);
  const machines = await describeFile(directory, 'machine', nowMs);
  // Behind the machine's own certificate may stand those that lead from it to the authority.
  const vouching = [...authorities, ...machines.slice(1)];
  return [...authorities, ...machines].map(({ certificate, described }) => {
    const isVouchedFor =
      described.kind === 'authority' || vouching.some((one) => isIssuedBy(certificate, one.certificate));
    return isVouchedFor ? described : { ...described, problems: [...described.problems, UNVOUCHED] };
  });
}

export interface DescribedCertificate {
  readonly kind: KeyKind;
  readonly file: string;
  readonly names: readonly string[];
  readonly authority: string;
  readonly validFromMs: number;
  readonly validUntilMs: number;
  /** Whole ones; negative once it has expired. */
  readonly daysLeft: number;
  /** SHA-256, in hexadecimal. */
  readonly fingerprint: string;
  readonly hasKey: boolean;
  /** In words; empty when all is well. */
  readonly problems: readonly string[];
}

const UNVOUCHED = 'no authority in authority.crt made it';

interface Found {
  readonly certificate: X509Certificate;
  readonly described: DescribedCertificate;
}

async function describeFile(directory: string, kind: KeyKind, nowMs: number): Promise<readonly Found[]> {
  const files = keyFiles(directory, kind);
  const certificates = (await readCertificates(files.certificate)) ?? [];
  const key = await describeKey(files.key, certificates);
  return certificates.map((certificate, index) => {
    const hasKey = key.ownIndex === index;
    const needsKey = kind === 'machine' && index === 0;
    const keyProblems = hasKey || (needsKey && key.ownIndex === undefined) ? key.problems : [];
    const missing = needsKey && !hasKey && key.problems.length === 0 ? [`its key is not in ${files.key}`] : [];
    const described = describe(certificate, nowMs);
    return {
      certificate,
      described: {
        kind,
        file: files.certificate,
        ...described,
        hasKey,
        problems: [...described.problems, ...missing, ...keyProblems],
      },
    };
  });
}

function describe(certificate: X509Certificate, nowMs: number) {
  const validFromMs = certificate.validFromDate.getTime();
  const validUntilMs = certificate.validToDate.getTime();
  const daysLeft = Math.floor((validUntilMs - nowMs) / DAY_MS);
  const problems: string[] = [];
  if (nowMs >= validUntilMs) problems.push('it has expired: the other machines refuse it');
  else if (daysLeft < EXPIRES_SOON_DAYS) problems.push('it expires soon: make a new one with --replace');
  if (nowMs < validFromMs) problems.push('it is not valid yet, by the clock of this machine');
  return {
    names: certificateNames(certificate),
    authority: nameIn(certificate.issuer),
    validFromMs,
    validUntilMs,
    daysLeft,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    problems,
  };
}

const EXPIRES_SOON_DAYS = 30;

/** Which of the certificates the key is of, and what is wrong with it. */
async function describeKey(
  path: string,
  certificates: readonly X509Certificate[],
): Promise<{ readonly ownIndex: number | undefined; readonly problems: readonly string[] }> {
  try {
    const found = await readKey(path);
    if (found === undefined) return { ownIndex: undefined, problems: [] };
    const index = certificates.findIndex((certificate) => certificate.checkPrivateKey(found.key));
    return {
      ownIndex: index === -1 ? undefined : index,
      problems: isReadableByOthers(path) ? [`others may read ${path}: chmod 600 it`] : [],
    };
  } catch (error) {
    if (!isPosthornError(error, 'KEY_FILE_UNUSABLE')) throw error;
    return { ownIndex: undefined, problems: [error.message] };
  }
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
