/**
 * The base of every error that Posthorn throws on purpose: a stable code, what happened with the values, and the mend.
 *
 * The classes stand in one `errors.ts` per folder; docs/errors.md lists them all and a test compares both ways.
 */
export abstract class PosthornError extends Error {
  /** Stable over versions, upper case, without prefix: `STORE_FULL`. */
  abstract readonly code: string;
  /** What happened, with the values: the message without the mend. */
  readonly what: string;
  /** What a person can do about it, in one or two sentences. */
  readonly mend: string;

  constructor(what: string, mend: string, options?: ErrorOptions) {
    super(mend === '' ? what : `${what} ${mend}`, options);
    this.name = new.target.name;
    this.what = what;
    this.mend = mend;
  }
}

/** True for an error that Posthorn threw on purpose; with `code`, for that one only. docs/errors.md lists the codes. */
export function isPosthornError<Code extends string = string>(
  error: unknown,
  code?: Code,
): error is PosthornError & { readonly code: Code } {
  return error instanceof PosthornError && (code === undefined || error.code === code);
}

/**
 * A rule that Posthorn's own code relies on does not hold. Never retried: the endpoint or queue manager stops by way of
 * its critical error action, because going on could harm messages.
 */
export class InvariantBroken extends PosthornError {
  readonly code = 'INVARIANT_BROKEN';

  constructor(what: string) {
    super(`Broken invariant: ${what}.`, 'This is a defect in Posthorn: please report it with this text and the stack.');
  }
}

/** Asserts what must hold; stays on in production. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new InvariantBroken(what);
}

/** The nearest of `known` to `given`, for error messages that name what was probably meant; `undefined` if none is near. */
export function nearestName(given: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  // Of a short name two changes leave nothing: 'dir' is not near 'io'.
  let nearestDistance = Math.max(given.length > 3 ? 2 : 1, Math.floor(given.length / 3)) + 1;
  for (const candidate of known) {
    const isBegun = given.length > 1 && candidate.toLowerCase().startsWith(given.toLowerCase());
    const distance = isBegun ? 1 : editDistance(given.toLowerCase(), candidate.toLowerCase());
    if (distance < nearestDistance) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}

/** Levenshtein distance with one row of memory; inputs are names, so short. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
