import { PosthornError } from '../message/posthorn-error.ts';

/** The directory's `network.json` cannot be used. Nothing was opened. */
export class NetworkFileInvalid extends PosthornError {
  readonly code = 'NETWORK_FILE_INVALID';

  constructor(path: string, why: string, options?: ErrorOptions) {
    super(
      `'${path}' cannot be used: ${why}.`,
      'Correct it, or remove it; docs/between-machines.md says what stands in it.',
      options,
    );
  }
}

/** Key, certificate or authorities of this machine cannot be used. Nothing was opened. */
export class KeysUnusable extends PosthornError {
  readonly code = 'KEYS_UNUSABLE';

  constructor(why: string, options?: ErrorOptions) {
    super(
      `The keys of this machine cannot be used: ${why.replace(/[.\s]+$/, '')}.`,
      "Correct the files that 'tls' names (default: keys/ of the data directory), or make new ones with 'posthorn keys'.",
      options,
    );
  }
}
