import { InvalidOption } from './errors.ts';
import { written } from './wording.ts';

/**
 * What the value of an option may be. Options are checked once, where they are handed in, from a table of their shapes:
 * the compiler does so for TypeScript, and nobody does for a program in JavaScript.
 */
export interface Shape {
  fits(value: unknown): boolean;
  /** What to give instead, as a sentence. */
  readonly mend: string;
  /** Of an array: what each value may be. */
  readonly each?: Shape;
  /** Of an object: its own options. What is not named does not exist. */
  readonly options?: ReadonlyMap<string, Shape>;
  readonly required?: readonly string[];
}

/** A shape for every option that a type names. */
export type Shapes<Options> = { readonly [Name in keyof Options]-?: Shape };

export const ANYTHING: Shape = { fits: () => true, mend: '' };
export const TEXT: Shape = { fits: (value) => typeof value === 'string', mend: 'Give a text.' };
export const FLAG: Shape = { fits: (value) => typeof value === 'boolean', mend: 'Give true or false.' };
export const FUNCTION: Shape = { fits: (value) => typeof value === 'function', mend: 'Give a function.' };
export const OBJECT: Shape = { fits: isObject, mend: 'Give an object.' };
export const LIST: Shape = { fits: Array.isArray, mend: 'Give an array.' };
/** How long to wait at most: `Infinity` means for ever. */
export const WAIT_MS: Shape = {
  fits: (value) => typeof value === 'number' && value >= 0,
  mend: 'Give milliseconds, 0 or more.',
};
export const MILLISECONDS: Shape = {
  fits: (value) => Number.isFinite(value) && Number(value) >= 0,
  mend: 'Give milliseconds, 0 or more.',
};

export function wholeNumber(min: number): Shape {
  return {
    fits: (value) => Number.isInteger(value) && Number(value) >= min,
    mend: `Give a whole number, ${min} or more.`,
  };
}

export function oneOf(values: readonly string[]): Shape {
  return { fits: (value) => values.includes(value as string), mend: `Give one of: ${values.join(', ')}.` };
}

export function listOf(each: Shape): Shape {
  return { ...LIST, each };
}

/** An object that has these methods, whatever it was made from. */
export function having(methods: readonly string[], mend: string): Shape {
  return {
    fits: (value) => isObject(value) && methods.every((each) => typeof value[each] === 'function'),
    mend,
  };
}

/** Options in an option. */
export function named(options: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape {
  return { ...OBJECT, options: new Map(Object.entries(options)), required };
}

/** @throws {InvalidOption} naming the innermost option that is wrong, and the mend */
export function checkOption(option: string, value: unknown, shape: Shape): void {
  if (!shape.fits(value)) throw new InvalidOption(option, `is ${written(value)}`, shape.mend);
  const { each, options } = shape;
  if (each !== undefined)
    for (const [index, one] of asList(value).entries()) checkOption(`${option}[${index}]`, one, each);
  if (options !== undefined) checkNamed(`${option}.`, value, shape);
}

/** As `checkOption`, for options that are not part of another: they go by their names alone. */
export function checkOptions(given: unknown, shape: Shape): void {
  if (!shape.fits(given)) throw new InvalidOption('options', `is ${written(given)}`, shape.mend);
  checkNamed('', given, shape);
}

/** An option that is there but undefined was not said. */
function checkNamed(prefix: string, given: unknown, { options = NONE, required = [] }: Shape): void {
  const values = given as Readonly<Record<string, unknown>>; // its shape says that it is an object
  for (const name of Object.keys(values)) {
    if (!options.has(name)) throw InvalidOption.unknown(prefix + name, [...options.keys()]);
  }
  for (const [name, shape] of options) {
    if (values[name] !== undefined) checkOption(prefix + name, values[name], shape);
    else if (required.includes(name)) throw new InvalidOption(prefix + name, 'is missing', shape.mend);
  }
}

const NONE: ReadonlyMap<string, Shape> = new Map();

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
