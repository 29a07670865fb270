import type { Io } from '../io/io.ts';
import { issueCertificate } from './issue-certificate.ts';
import { type KeyFiles, keyFiles, makeKeyDirectory, refuseToReplace, writeKeyFiles } from './key-files.ts';

/**
 * Makes a certificate authority in `directory`: `authority.crt`, which every machine that talks to the others has, and
 * `authority.key`, which makes certificates and belongs on one machine only.
 *
 * @throws {KeyExists} one is there, and `replaces` is not set; nothing was written
 */
export async function makeAuthority(directory: string, options: MakeAuthorityOptions): Promise<MadeAuthority> {
  const { io, days = AUTHORITY_DAYS } = options;
  const files = keyFiles(directory, 'authority');
  if (!options.replaces) refuseToReplace(files);
  const id = io.random.uuid();
  const name = options.name ?? `Posthorn authority ${id.slice(0, 8)}`;
  const nowMs = io.clock.wallNowMs();
  const notAfterMs = nowMs + days * DAY_MS;
  const made = await issueCertificate({
    kind: 'authority',
    name,
    notBeforeMs: nowMs - CLOCK_DIFFERENCE_MS,
    notAfterMs,
    serial: io.random.uuid(),
  });
  makeKeyDirectory(directory);
  writeKeyFiles(files, made, options);
  return { name, files, notAfterMs };
}

export interface MakeAuthorityOptions {
  readonly io: Pick<Io, 'clock' | 'random'>;
  readonly replaces: boolean;
  /** Default: one that tells two authorities apart. */
  readonly name?: string | undefined;
  readonly days?: number | undefined;
}

export interface MadeAuthority {
  readonly name: string;
  readonly files: KeyFiles;
  readonly notAfterMs: number;
}

/** Ten years: replacing it means going to every machine. */
const AUTHORITY_DAYS = 3653;
export const DAY_MS = 86_400_000;
/** A certificate counts from a day before it was made, so that it is good on a machine whose clock is behind. */
export const CLOCK_DIFFERENCE_MS = DAY_MS;
