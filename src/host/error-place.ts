import { firstOwnPlace } from '../operations/stack-frame.ts';

/**
 * Where in a user's files an error arose while they were loaded, as `file:line:column`; undefined when nothing says it.
 *
 * Node.js writes the place of what it could not parse, with the source and carets below, in front of the stack; for most
 * errors in plain JavaScript it keeps that place to itself. What was thrown has its first frame in the user's own files.
 */
export function errorPlace(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  return placeAboveCarets(error.stack) ?? firstOwnPlace(error.stack);
}

function placeAboveCarets(stack: string): string | undefined {
  const [first = '', ...others] = stack.split('\n', LINES_LOOKED_AT);
  const [, file, line] = /^(?:file:\/\/)?(.+):(\d+)$/.exec(first) ?? [];
  const carets = others.find((text) => /^ *\^+ *$/.test(text));
  if (file === undefined || carets === undefined) return undefined;
  return `${file}:${line}:${carets.indexOf('^') + 1}`;
}

/** The source that is quoted is as long as the statement that is wrong. */
const LINES_LOOKED_AT = 100;
