/**
 * A value as a person would write it in a program, for the texts of errors: `'4'` is a text, `4` a number. What has no
 * short writing is named by its kind.
 */
export function written(value: unknown): string {
  if (typeof value === 'string') return `'${JSON.stringify(value.slice(0, TEXT_SHOWN_MAX)).slice(1, -1)}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  const kind: unknown = value.constructor?.name;
  return typeof kind === 'string' && kind !== 'Object' && kind !== '' ? `an instance of ${kind}` : 'an object';
}

const TEXT_SHOWN_MAX = 100;

/** `1 message`, `2 messages`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
