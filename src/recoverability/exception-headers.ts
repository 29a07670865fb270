import { Header } from '../message/headers.ts';
import { EXCEPTION_MESSAGE_LENGTH_MAX, EXCEPTION_STACK_LENGTH_MAX } from '../message/limits.ts';

/** Values of an error's own properties that are kept, at most; and characters of each. */
const DATA_COUNT_MAX = 20;
const DATA_LENGTH_MAX = 1024;
const CAUSE_COUNT_MAX = 8;
/** Own properties whose name looks like one of these never leave the process in a header (G-Z4). */
const SECRET_NAME = /pass|secret|token|auth|credential|cookie|key|connection_?string|\bpwd\b|\bdsn\b/i;
/** What the other headers already say. */
const TOLD_ELSEWHERE: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause', 'mend']);

/** An error in NServiceBus' own headers (`NServiceBus.ExceptionInfo.*`), each cut to its limit. */
export function exceptionHeaders(error: Error): Record<string, string> {
  const headers: Record<string, string> = {
    [Header.exceptionType]: typeNameOf(error),
    [Header.exceptionMessage]: cut(textOf(error.message), EXCEPTION_MESSAGE_LENGTH_MAX),
    [Header.exceptionStackTrace]: cut(stackOf(error), EXCEPTION_STACK_LENGTH_MAX),
  };
  if (error.cause instanceof Error) headers[Header.innerExceptionType] = typeNameOf(error.cause);
  const source = firstOwnFrame(error);
  if (source !== undefined) headers[Header.exceptionSource] = cut(source, DATA_LENGTH_MAX);
  for (const [name, value] of dataOf(error)) headers[Header.exceptionData + name] = value;
  return headers;
}

/** The error's own name where somebody gave it one, else that of its class. */
export function typeNameOf(error: Error): string {
  const name = textOf(error.name);
  const className = textOf(error.constructor?.name);
  return cut((name === '' || name === 'Error') && className !== '' ? className : name, 200);
}

/** Its stack and those of its causes, as .NET's ToString shows inner exceptions. */
function stackOf(error: Error): string {
  const stacks: string[] = [];
  let each: unknown = error;
  while (each instanceof Error && stacks.length < CAUSE_COUNT_MAX) {
    stacks.push(textOf(each.stack) || `${typeNameOf(each)}: ${textOf(each.message)}`);
    each = each.cause;
  }
  return stacks.join('\nCaused by: ');
}

/** First frame that is neither Node's nor a dependency's: where a person looks first. */
function firstOwnFrame(error: Error): string | undefined {
  for (const line of textOf(error.stack).slice(0, 16_384).split('\n')) {
    const frame = line.trimStart();
    if (frame.startsWith('at ') && !frame.includes('node:') && !frame.includes('/node_modules/')) return frame.slice(3);
  }
  return undefined;
}

function* dataOf(error: Error): Generator<[name: string, value: string]> {
  let count = 0;
  for (const name of Object.keys(error)) {
    if (TOLD_ELSEWHERE.has(name) || SECRET_NAME.test(name) || !/^[\w.-]{1,64}$/.test(name)) continue;
    const value = plainValueOf(error, name);
    if (value === undefined) continue;
    if (++count > DATA_COUNT_MAX) return;
    yield [name, cut(value, DATA_LENGTH_MAX)];
  }
}

/** Only plain values: an object could hold anything, a connection with its password included. */
function plainValueOf(error: Error, name: string): string | undefined {
  const value: unknown = (error as unknown as Record<string, unknown>)[name];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}

/** Errors come from anybody's code: a `message` may be anything. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`.toWellFormed();
}
