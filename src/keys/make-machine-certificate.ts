import type { X509Certificate } from 'node:crypto';
import { exists } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { nameIn } from '../io/tls-proof.ts';
import { writeWholeFile } from '../io/whole-file.ts';
import { parseAddress } from '../message/address.ts';
import { KeyFileUnusable, NoAuthority } from './errors.ts';
import { type CertificateAndKey, issueCertificate } from './issue-certificate.ts';
import {
  type KeyFiles,
  keyFiles,
  makeKeyDirectory,
  readCertificates,
  readKey,
  refuseToReplace,
  writeKeyFiles,
} from './key-files.ts';
import { CLOCK_DIFFERENCE_MS, DAY_MS } from './make-authority.ts';

/**
 * Makes a key for a machine and has the authority in `directory` certify it. What is written to `out` (default: the same
 * directory) is all that a queue manager needs: `machine.key`, `machine.crt` and `authority.crt`. The authority's key stays.
 *
 * @throws {InvalidAddress} `machine` is no name of a machine
 * @throws {NoAuthority} the directory has none
 * @throws {KeyFileUnusable} what is there cannot be used, or has expired
 * @throws {KeyExists} `out` has a key already, and `replaces` is not set; nothing was written
 */
export async function makeMachineCertificate(
  directory: string,
  machine: string,
  options: MakeMachineOptions,
): Promise<MadeMachineCertificate> {
  const { io, out = directory, days = MACHINE_DAYS } = options;
  const name = parseAddress(`any@${machine}`).machine?.toLowerCase() ?? machine;
  const files = keyFiles(out, 'machine');
  if (!options.replaces) refuseToReplace(files);
  const authority = await readAuthority(directory);
  const nowMs = io.clock.wallNowMs();
  const notAfterMs = Math.min(nowMs + days * DAY_MS, authority.notAfterMs);
  if (notAfterMs <= nowMs)
    throw new KeyFileUnusable(
      keyFiles(directory, 'authority').certificate,
      `it expired on ${authority.certified.validTo}`,
    );
  const made = await issueCertificate({
    kind: 'machine',
    name,
    issuer: authority.issuer,
    notBeforeMs: nowMs - CLOCK_DIFFERENCE_MS,
    notAfterMs,
    serial: io.random.uuid(),
  });
  makeKeyDirectory(out);
  writeKeyFiles(files, made, options);
  const authorityFile = keyFiles(out, 'authority').certificate;
  if (out !== directory || !exists(authorityFile))
    writeWholeFile(authorityFile, authority.certificates.map(String).join(''), { mode: 0o644, replaces: true });
  return { machine: name, files, authorityFile, authority: nameIn(authority.certified.subject), notAfterMs };
}

export interface MakeMachineOptions {
  readonly io: Pick<Io, 'clock' | 'random'>;
  readonly replaces: boolean;
  readonly out?: string | undefined;
  readonly days?: number | undefined;
}

export interface MadeMachineCertificate {
  /** In lower case, as machine names are compared. */
  readonly machine: string;
  readonly files: KeyFiles;
  readonly authorityFile: string;
  readonly authority: string;
  readonly notAfterMs: number;
}

/** The longest that every TLS library in use accepts from an authority of one's own (docs/decisions/0003-certificates.md). */
export const MACHINE_DAYS = 825;

interface Authority {
  readonly issuer: CertificateAndKey;
  /** The one of the key; others may stand beside it while one authority takes over from another. */
  readonly certified: X509Certificate;
  readonly certificates: readonly X509Certificate[];
  readonly notAfterMs: number;
}

async function readAuthority(directory: string): Promise<Authority> {
  const files = keyFiles(directory, 'authority');
  const key = await readKey(files.key);
  if (key === undefined) throw new NoAuthority(files.key);
  const certificates = await readCertificates(files.certificate);
  if (certificates === undefined) throw new NoAuthority(files.certificate);
  const certified = certificates.find((certificate) => certificate.checkPrivateKey(key.key));
  if (certified === undefined)
    throw new KeyFileUnusable(files.certificate, `none of its certificates is of the key ${files.key}`);
  return {
    issuer: { certificate: certified.toString(), key: key.pem },
    certified,
    certificates,
    notAfterMs: certified.validToDate.getTime(),
  };
}
