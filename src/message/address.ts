import { InvalidAddress } from './errors.ts';
import { MACHINE_NAME_LENGTH_MAX, QUEUE_NAME_LENGTH_MAX } from './limits.ts';

/** Where a message goes: a queue, and the machine it stands on. A name is stored, never a network address (DESIGN decision 6). */
export interface Address {
  readonly queue: string;
  /** Absent means: this machine. */
  readonly machine?: string;
}

const QUEUE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const MACHINE_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]*$/;

/**
 * Reads `queue` or `queue@machine`.
 *
 * @throws {InvalidAddress} with the part that is wrong
 */
export function parseAddress(text: string): Address {
  if (typeof text !== 'string') throw new InvalidAddress(text, 'it is not a text');
  const at = text.indexOf('@');
  const queue = at === -1 ? text : text.slice(0, at);
  checkName(text, 'the queue name', queue, QUEUE_NAME, QUEUE_NAME_LENGTH_MAX);
  if (at === -1) return { queue };
  const machine = text.slice(at + 1);
  checkName(text, 'the machine name', machine, MACHINE_NAME, MACHINE_NAME_LENGTH_MAX);
  return { queue, machine };
}

export function formatAddress(address: Address): string {
  return address.machine === undefined ? address.queue : `${address.queue}@${address.machine}`;
}

function checkName(address: string, part: string, name: string, pattern: RegExp, lengthMax: number): void {
  if (name === '') throw new InvalidAddress(address, `${part} is empty`);
  if (name.length > lengthMax) {
    throw new InvalidAddress(
      address.slice(0, 200),
      `${part} has ${name.length} characters, at most ${lengthMax} are allowed`,
    );
  }
  if (!pattern.test(name)) throw new InvalidAddress(address, `${part} '${name}' has a character that is not allowed`);
}
