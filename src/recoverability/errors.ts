import type { FailureReason } from '../message/headers.ts';
import { PosthornError } from '../message/posthorn-error.ts';

/**
 * Thrown by a handler to say that trying again cannot help: the message goes straight to the error queue.
 * A class of the user's own does the same when it is listed in `recoverability.unrecoverableErrors`.
 */
export class UnrecoverableError extends PosthornError {
  readonly code = 'UNRECOVERABLE';

  constructor(what: string, options?: ErrorOptions) {
    super(what, '', options);
  }
}

/**
 * A message that no handler of this endpoint can be given, with the reason that its copy in the error queue carries.
 * Trying again cannot help, so neither rules nor retries apply to it. The classes stand in `pipeline/errors.ts`.
 */
export abstract class UnhandleableMessage extends PosthornError {
  abstract readonly reason: FailureReason;
}

/** A custom recoverability policy returned something else than one of the four actions. The built-in one decided. */
export class InvalidRecoverabilityAction extends PosthornError {
  readonly code = 'INVALID_RECOVERABILITY_ACTION';

  constructor(why: string) {
    super(
      `The action that the custom recoverability policy returned is not valid: ${why}.`,
      'Return { kind } with immediateRetry, delayedRetry (and delayMs), moveToErrorQueue (and reason) or discard (and reason).',
    );
  }
}

/** What a handler threw was not an Error. It failed all the same; this stands in for it. */
export class NotAnError extends PosthornError {
  readonly code = 'NOT_AN_ERROR';

  constructor(thrown: unknown) {
    super(
      `A handler threw ${describe(thrown)} instead of an Error.`,
      'Throw an Error, so that its stack shows where it came from.',
    );
  }
}

function describe(thrown: unknown): string {
  if (typeof thrown === 'string') return JSON.stringify(thrown.slice(0, 200));
  return thrown === null ? 'null' : typeof thrown === 'object' ? 'an object' : String(thrown).slice(0, 200);
}

/** The message's own error as an Error, whatever was thrown. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new NotAnError(thrown);
}
