import { InvalidMessageType } from './errors.ts';
import { MESSAGE_TYPE_LENGTH_MAX } from './limits.ts';

/** Printable ASCII that needs no quoting in headers, state keys and shells; `;` separates types in the header. */
const MESSAGE_TYPE = /^[A-Za-z0-9_$][A-Za-z0-9_$.:+-]*$/;

/**
 * Checks the name of a message type that a user handed in. What arrives in a header is only compared, never checked.
 *
 * @throws {InvalidMessageType} with what is wrong
 */
export function checkMessageType(name: string): void {
  if (typeof name !== 'string') throw new InvalidMessageType(String(name), `it is ${typeof name}, not text`);
  if (name === '') throw new InvalidMessageType(name, 'it is empty');
  if (name.length > MESSAGE_TYPE_LENGTH_MAX) {
    throw new InvalidMessageType(
      name,
      `it has ${name.length} characters, at most ${MESSAGE_TYPE_LENGTH_MAX} are allowed`,
    );
  }
  if (!MESSAGE_TYPE.test(name)) throw new InvalidMessageType(name, 'it has a character that is not allowed');
}
