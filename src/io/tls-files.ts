import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Timers } from './io.ts';
import type { TlsMaterial } from './network.ts';

/**
 * Key, certificate and authorities from files, read again every 2 s, so that replaced files count without a restart.
 *
 *     in use ──files differ──▶ do they fit together? ──yes──▶ in use, told to `onChange`
 *        ▲                         └──no, at two looks in a row──▶ `failed`, once for each cause
 *        └── what was in use stays until something whole is there
 *
 * A pair is replaced file by file, so one look may find halves that do not fit; the next finds them whole.
 *
 * @throws {TlsFilesFailure} what is there now cannot be used
 */
export function openTlsFiles(files: TlsFilePaths, options: TlsFilesOptions): OpenTlsFiles {
  return new WatchedTlsFiles(files, options);
}

export interface TlsFilePaths {
  readonly key: string;
  /** The machine's, and behind it those between it and the authority, if any. */
  readonly certificate: string;
  /** One or several: whoever one of them vouches for is let in. */
  readonly authorities: string;
}

export interface TlsFilesOptions {
  readonly timers: Timers;
  /** Changed files that cannot be used; what was read before stays in use. */
  failed(failure: TlsFilesFailure): void;
}

export interface OpenTlsFiles {
  readonly material: TlsMaterial;
  onChange(changed: (material: TlsMaterial) => void): void;
  /** Reads no more. */
  close(): void;
}

/** A value of the door, as `NetworkFailure`: key, certificate or authorities cannot be used. The text names the file. */
export class TlsFilesFailure extends Error {
  override readonly name = 'TlsFilesFailure';
}

const LOOK_EVERY_MS = 2000;

class WatchedTlsFiles implements OpenTlsFiles {
  readonly #files: TlsFilePaths;
  readonly #options: TlsFilesOptions;
  readonly #listeners: ((material: TlsMaterial) => void)[] = [];
  #material: TlsMaterial;
  #failedBefore: string | undefined;
  #toldFailure: string | undefined;
  #next: { cancel(): void };

  constructor(files: TlsFilePaths, options: TlsFilesOptions) {
    this.#files = files;
    this.#options = options;
    this.#material = readTlsFiles(files);
    this.#next = this.#lookLater();
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  onChange(changed: (material: TlsMaterial) => void): void {
    this.#listeners.push(changed);
  }

  close(): void {
    this.#next.cancel();
  }

  #lookLater(): { cancel(): void } {
    return this.#options.timers.after(LOOK_EVERY_MS, () => {
      this.#next = this.#lookLater();
      this.#look();
    });
  }

  #look(): void {
    try {
      this.#use(readTlsFiles(this.#files));
    } catch (error) {
      if (!(error instanceof TlsFilesFailure)) throw error;
      this.#fail(error);
    }
  }

  #use(found: TlsMaterial): void {
    this.#failedBefore = undefined;
    this.#toldFailure = undefined;
    if (isSame(found, this.#material)) return;
    this.#material = found;
    for (const changed of this.#listeners) changed(found);
  }

  #fail(failure: TlsFilesFailure): void {
    const isLasting = this.#failedBefore === failure.message;
    this.#failedBefore = failure.message;
    if (!isLasting || this.#toldFailure === failure.message) return;
    this.#toldFailure = failure.message;
    this.#options.failed(failure);
  }
}

function isSame(left: TlsMaterial, right: TlsMaterial): boolean {
  return left.key === right.key && left.certificate === right.certificate && left.authorities === right.authorities;
}

/**
 * Reads the three files and checks that they can be used together. Whether the certificate is valid today is not asked: an
 * expired one is refused by the other side, where both can see why.
 *
 * @throws {TlsFilesFailure}
 */
export function readTlsFiles(files: TlsFilePaths): TlsMaterial {
  const key = readText('key', files.key);
  const certificate = readText('certificate', files.certificate);
  const authorities = readText('authorities', files.authorities);
  const parsedKey = parseKey(key, files.key);
  const [own] = parseCertificates(certificate, 'certificate', files.certificate);
  parseCertificates(authorities, 'authorities', files.authorities);
  if (own?.checkPrivateKey(parsedKey) !== true) {
    throw new TlsFilesFailure(`The certificate ${files.certificate} is not of the key ${files.key}.`);
  }
  return { key, certificate, authorities };
}

function readText(what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new TlsFilesFailure(`The file of the ${what}, ${path}, cannot be read (${code}).`, { cause: error });
  }
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TlsFilesFailure(`${path} holds no key that can be used (${why}).`, { cause: error });
  }
}

/** The certificates of a PEM text, one at least; text between them is allowed. */
export function parseCertificates(pem: string, what: string, path: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new TlsFilesFailure(`The file of the ${what}, ${path}, holds no certificate.`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new TlsFilesFailure(`The file of the ${what}, ${path}, holds a damaged certificate.`, { cause: error });
  }
}
