import { type Contract, isContract } from './contract.ts';
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
  if (typeof name !== 'string') throw new InvalidMessageType(name, 'it is not a text');
  if (name === '') throw new InvalidMessageType(name, 'it is empty');
  if (name.length > MESSAGE_TYPE_LENGTH_MAX) {
    throw new InvalidMessageType(
      name,
      `it has ${name.length} characters, at most ${MESSAGE_TYPE_LENGTH_MAX} are allowed`,
    );
  }
  if (!MESSAGE_TYPE.test(name)) throw new InvalidMessageType(name, 'it has a character that is not allowed');
}

/**
 * The name of a type that a user handed in, as a contract or by name.
 *
 * @throws {InvalidMessageType} it is neither, or the name cannot travel
 */
export function checkedNameOf(type: Contract | string): string {
  if (typeof type !== 'string' && !isContract(type)) {
    throw new InvalidMessageType(type, 'it is neither a name nor a contract');
  }
  const name = typeof type === 'string' ? type : type.name;
  checkMessageType(name);
  return name;
}
