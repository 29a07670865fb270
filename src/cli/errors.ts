import { PosthornError } from '../message/posthorn-error.ts';
import { ID_PREFIX_LENGTH_MIN } from '../operations/limits.ts';

/** The command line asks for something that cannot be meant. Nothing was done; the exit code is 2. */
export class UsageError extends PosthornError {
  readonly code = 'USAGE';
}

/** What a verb found cannot be written. What it did is done. */
export class OutputUnwritable extends PosthornError {
  readonly code = 'OUTPUT_UNWRITABLE';

  constructor(cause: Error) {
    super(
      `Standard output cannot be written to: ${cause.message}.`,
      'Make room there, or send the output somewhere else.',
      { cause },
    );
  }
}

/** No message of the queue has that id. Nothing was done. */
export class MessageNotFound extends PosthornError {
  readonly code = 'MESSAGE_NOT_FOUND';

  constructor(queue: string, id: string, why = `Queue '${queue}' has no message '${id}'.`, mend?: string) {
    const tooShort =
      id.length < ID_PREFIX_LENGTH_MIN
        ? `The beginning of an id needs ${ID_PREFIX_LENGTH_MIN} characters or more. `
        : '';
    super(
      why,
      mend ??
        `${tooShort}Run 'posthorn peek ${queue}' for those it has; it may have been handled or returned meanwhile.`,
    );
  }

  static severalFit(queue: string, id: string): MessageNotFound {
    return new MessageNotFound(
      queue,
      id,
      `Several messages of queue '${queue}' have an id that begins with '${id}'.`,
      'Give more of the id.',
    );
  }
}
