import { nearestName, PosthornError } from './posthorn-error.ts';
import { written } from './wording.ts';

/** A `queue@machine` text is not one. Nothing was sent. */
export class InvalidAddress extends PosthornError {
  readonly code = 'INVALID_ADDRESS';

  constructor(address: unknown, why: string) {
    super(
      `${written(address)} is not an address: ${why}.`,
      "Write 'queue' or 'queue@machine'; a queue name has letters, digits, '.', '_' and '-', and begins with a letter or digit.",
    );
  }
}

/** A header's name or value cannot travel. Nothing was sent. */
export class InvalidHeader extends PosthornError {
  readonly code = 'INVALID_HEADER';

  constructor(name: string, why: string, mend = 'Rename or shorten it, or put the value into the body.') {
    super(`Header ${JSON.stringify(name.slice(0, 80))} was refused: ${why}.`, mend);
  }
}

/** Body or headers are larger than the limit. Nothing was sent. */
export class MessageTooLarge extends PosthornError {
  readonly code = 'MESSAGE_TOO_LARGE';

  constructor(part: 'body' | 'headers', bytes: number, bytesMax: number) {
    super(
      `The message's ${part} ${part === 'body' ? 'has' : 'have'} ${bytes} bytes; at most ${bytesMax} are allowed, so it was not sent.`,
      'Send a reference to the data instead, or split it.',
    );
  }
}

/** The name of a message type cannot travel. Nothing was defined, sent or registered. */
export class InvalidMessageType extends PosthornError {
  readonly code = 'INVALID_MESSAGE_TYPE';

  constructor(name: unknown, why: string) {
    super(
      `${typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : written(name)} cannot name a message type: ${why}.`,
      "Use letters, digits and '.', '_', '-', '+', ':', '$', as in 'Sales.PlaceOrder'.",
    );
  }
}

/** An option has a wrong name or value. Nothing was started or changed. */
export class InvalidOption extends PosthornError {
  readonly code = 'INVALID_OPTION';

  constructor(option: string, why: string, mend: string) {
    super(`Option '${option}' ${why}.`, mend);
  }

  /** For a name that does not exist; names the nearest that does. */
  static unknown(option: string, known: readonly string[]): InvalidOption {
    const nearest = nearestName(option.slice(option.lastIndexOf('.') + 1), known);
    return new InvalidOption(
      option,
      'does not exist',
      nearest === undefined ? `Known options: ${known.join(', ')}.` : `Did you mean '${nearest}'?`,
    );
  }
}
