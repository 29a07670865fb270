import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { exists, isSystemError, makePrivateDirectory, readBytes } from '../io/files.ts';
import { parseCertificates, TlsFilesFailure } from '../io/tls-files.ts';
import { writeWholeFile } from '../io/whole-file.ts';
import { KeyExists, KeyFileUnusable } from './errors.ts';
import type { CertificateAndKey } from './issue-certificate.ts';

/** The names of the files. A queue manager finds `machine.*` and `authority.crt` in the folder `keys` of its directory. */
export function keyFiles(directory: string, kind: KeyKind): KeyFiles {
  return { certificate: join(directory, `${kind}.crt`), key: join(directory, `${kind}.key`) };
}

export type KeyKind = 'authority' | 'machine';

export interface KeyFiles {
  readonly certificate: string;
  /** Its owner alone may read it. */
  readonly key: string;
}

/**
 * Writes a key and its certificate.
 *
 * @throws {KeyExists} one of the files is there, and `replaces` is not set
 */
export function writeKeyFiles(files: KeyFiles, made: CertificateAndKey, options: { readonly replaces: boolean }): void {
  writeKeyFile(files.key, made.key, { mode: 0o600, ...options });
  writeKeyFile(files.certificate, made.certificate, { mode: 0o644, ...options });
}

/** Refuses before anything is made. */
export function refuseToReplace(files: KeyFiles): void {
  for (const path of [files.key, files.certificate]) if (exists(path)) throw existing(path);
}

function writeKeyFile(
  path: string,
  text: string,
  options: { readonly mode: 0o600 | 0o644; readonly replaces: boolean },
): void {
  try {
    writeWholeFile(path, text, options);
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) throw existing(path);
    throw error;
  }
}

function existing(path: string): KeyExists {
  return new KeyExists(
    path,
    /authority\.(key|crt)$/.test(path)
      ? 'every machine then needs the new authority.crt and a new certificate'
      : 'the old certificate stays valid until it expires',
  );
}

/** Makes the directory, which its owner alone may enter; one that is there may be anybody's, and stays as it is. */
export function makeKeyDirectory(directory: string): void {
  if (!exists(directory)) makePrivateDirectory(directory);
}

/** The certificates in a file; undefined when there is no file. */
export async function readCertificates(path: string): Promise<readonly X509Certificate[] | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return parseCertificates(text, 'certificate', path);
  } catch (error) {
    if (error instanceof TlsFilesFailure)
      throw new KeyFileUnusable(path, 'it holds no whole certificate', { cause: error });
    throw error;
  }
}

/** The key in a file, as it stands there and to be used; undefined when there is no file. */
export async function readKey(path: string): Promise<{ readonly pem: string; readonly key: KeyObject } | undefined> {
  const pem = await readText(path);
  if (pem === undefined) return undefined;
  try {
    return { pem, key: createPrivateKey(pem) };
  } catch (error) {
    throw new KeyFileUnusable(path, 'it holds no key', { cause: error });
  }
}

async function readText(path: string): Promise<string | undefined> {
  if (!exists(path)) return undefined;
  try {
    return Buffer.from(await readBytes(path)).toString('utf8');
  } catch (error) {
    throw new KeyFileUnusable(path, `it cannot be read (${error instanceof Error ? error.message : String(error)})`, {
      cause: error,
    });
  }
}
