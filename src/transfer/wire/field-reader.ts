import { parseAddress } from '../../message/address.ts';
import { malformed } from './malformed-bytes.ts';

/**
 * Reads the known fields of one JSON frame, each checked for type and range; what it does not ask for is ignored, so that a
 * later version may say more. Only own fields count, so a key `__proto__` is one more unknown field.
 *
 * Every method throws `MalformedBytes` with the field and what is wrong with it.
 */
export class FieldReader {
  readonly #what: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** @param what - names the frame in texts: `ATTACH` */
  constructor(what: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw malformed(`${what} is not an object`);
    this.#what = what;
    this.#fields = value as Record<string, unknown>;
  }

  integer(name: string, min: number, max: number): number {
    const value = this.get(name);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw this.#wrong(name, value, `a whole number from ${min} to ${max}`);
  }

  /** Unix time. */
  time(name: string): number {
    const value = this.get(name);
    if (typeof value === 'number' && Math.abs(value) <= DATE_MS_MAX) return value;
    throw this.#wrong(name, value, 'a time');
  }

  oneOf<Value extends string>(name: string, allowed: readonly Value[]): Value {
    const value = this.get(name);
    const found = allowed.find((one) => one === value);
    if (found !== undefined) return found;
    throw this.#wrong(name, value, `one of ${allowed.join(', ')}`);
  }

  matching(name: string, pattern: RegExp, kind: string): string {
    const value = this.get(name);
    if (typeof value === 'string' && pattern.test(value)) return value;
    throw this.#wrong(name, value, kind);
  }

  queue(name: string): string {
    const value = this.get(name);
    if (typeof value === 'string' && isAddress(value) && !value.includes('@')) return value;
    throw this.#wrong(name, value, 'the name of a queue');
  }

  machine(name: string): string {
    const value = this.get(name);
    if (typeof value === 'string' && !value.includes('@') && isAddress(`queue@${value}`)) return value;
    throw this.#wrong(name, value, 'the name of a machine');
  }

  /** For people. What could move the cursor of a terminal or turn the direction of writing is taken out. */
  text(name: string, lengthMax: number): string {
    const value = this.get(name);
    if (typeof value === 'string' && value.length <= lengthMax) return value.replace(CONTROL_CHARACTERS, ' ');
    throw this.#wrong(name, value, `a text of at most ${lengthMax} characters`);
  }

  list<Item>(name: string, lengthMax: number, read: (value: unknown) => Item): readonly Item[] {
    const value = this.get(name);
    if (Array.isArray(value) && value.length <= lengthMax) return value.map(read);
    throw this.#wrong(name, value, `a list of at most ${lengthMax}`);
  }

  optional<Value>(name: string, read: () => Value): Value | undefined {
    return this.get(name) === undefined ? undefined : read();
  }

  get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #wrong(name: string, value: unknown, expected: string): Error {
    return malformed(`${this.#what}: '${name}' is ${shown(value)}, expected is ${expected}`);
  }
}

const DATE_MS_MAX = 8.64e15;
/** Control and format characters, and the separators that end a line. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    // It says so for whoever typed it; here the field is what matters.
    return false;
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return `'${value.slice(0, 60).replace(CONTROL_CHARACTERS, ' ')}'`;
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
  return String(value);
}
