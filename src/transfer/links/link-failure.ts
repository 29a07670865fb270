import type { Reason } from '../reasons.ts';

/** A value: why no link came about, or why one that was asked cannot answer. `text` is a sentence with name and address. */
export class LinkFailure extends Error {
  override readonly name = 'LinkFailure';
  readonly reason: Reason;
  /** Who answered instead, as far as they said so or their certificate did. */
  readonly claimedMachine: string | undefined;

  constructor(
    reason: Reason,
    text: string,
    options: ErrorOptions & { readonly claimedMachine?: string | undefined } = {},
  ) {
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.claimedMachine = options.claimedMachine;
  }

  get text(): string {
    return this.message;
  }
}
