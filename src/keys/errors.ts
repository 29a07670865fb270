import { PosthornError } from '../message/posthorn-error.ts';

/** A key or certificate is there already, and nobody said that it may be replaced. Nothing was written. */
export class KeyExists extends PosthornError {
  readonly code = 'KEY_EXISTS';

  constructor(path: string, whatIsLost: string) {
    super(`'${path}' is there already.`, `Add --replace to make a new one; ${whatIsLost}.`);
  }
}

/** Certificates can only be made where the key of the authority is, and it is not there. Nothing was written. */
export class NoAuthority extends PosthornError {
  readonly code = 'NO_AUTHORITY';

  constructor(path: string) {
    super(
      `There is no certificate authority here: '${path}' does not exist.`,
      "Run this where the authority is and bring the files over (--out), or make one with 'posthorn keys authority'.",
    );
  }
}

/** A file of keys or certificates cannot be used. Nothing was written. */
export class KeyFileUnusable extends PosthornError {
  readonly code = 'KEY_FILE_UNUSABLE';

  constructor(path: string, why: string, options?: ErrorOptions) {
    super(
      `'${path}' cannot be used: ${why}.`,
      'Bring the file back from a backup, or make a new one with --replace.',
      options,
    );
  }
}
