import { InvalidOption } from '../../message/errors.ts';

/** Every name in `given` is one of `known`. @throws INVALID_OPTION with the nearest that exists */
export function checkNames(given: object, known: readonly string[]): void {
  for (const name of Object.keys(given)) if (!known.includes(name)) throw InvalidOption.unknown(name, known);
}

/** @throws INVALID_OPTION unless it is absent or a whole number within the bounds */
export function checkWhole(name: string, value: unknown, { least, most }: Bounds): void {
  if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most)) return;
  const kind = typeof value === 'number' ? `is ${value}` : `is no number`;
  throw new InvalidOption(name, kind, `Give a whole number from ${least} to ${most}.`);
}

export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** The value itself is not shown: it may be a password that was put in the wrong place. */
export function checkText(name: string, value: unknown): void {
  if (value === undefined || (typeof value === 'string' && value !== '')) return;
  throw new InvalidOption(name, value === '' ? 'is empty' : 'is no text', 'Give a text, or leave it out.');
}

export function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || (typeof value === 'string' && allowed.includes(value))) return;
  const words = allowed.map((word) => `'${word}'`).join(' or ');
  throw new InvalidOption(name, 'has a value that does not exist', `Give ${words}.`);
}

/** Names stand in records, views and command lines. */
export function checkResourceName(name: unknown): asserts name is string {
  if (typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return;
  const what = name === undefined ? 'is missing' : `is not a name: ${JSON.stringify(name)?.slice(0, 80)}`;
  throw new InvalidOption(
    'name',
    what,
    "Give letters, digits, '.', '_' and '-', at most 63; it must stay the same over restarts.",
  );
}
