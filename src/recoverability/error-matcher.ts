/**
 * Which errors a rule is about: a class (its subclasses included, as in NServiceBus), the text of an error's `name` or
 * `code`, or a predicate.
 */
export type ErrorMatcher = ErrorClass | string | ErrorPredicate;

// A class may take any arguments: only `instanceof` is asked of it.
export type ErrorClass = abstract new (...args: never[]) => Error;
export type ErrorPredicate = (error: Error) => boolean;

export function matchesError(matcher: ErrorMatcher, error: Error): boolean {
  if (typeof matcher === 'string')
    return error.name === matcher || error.constructor.name === matcher || codeOf(error) === matcher;
  return isErrorClass(matcher) ? error instanceof matcher : matcher(error);
}

function isErrorClass(matcher: ErrorClass | ErrorPredicate): matcher is ErrorClass {
  return matcher === Error || matcher.prototype instanceof Error;
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}
