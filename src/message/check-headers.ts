import { InvalidHeader, InvalidOption } from './errors.ts';
import type { Headers } from './headers.ts';
import { HEADER_COUNT_MAX, HEADER_NAME_LENGTH_MAX } from './limits.ts';
import { written } from './wording.ts';

/** Names that reach into an object's prototype in careless code; refused at the door although our own objects have none (G-Z3). */
const REFUSED_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
/** Printable ASCII without space, quote and backslash: what NServiceBus and HTTP-like tools can show and filter. */
const NAME = /^[!#-[\]-~]+$/;

/**
 * Checks headers that a user handed in.
 *
 * @throws {InvalidHeader} naming the first that cannot travel {InvalidOption} they are no object of texts
 */
export function checkHeaders(headers: Headers): void {
  // What can be iterated (an array, a Map, the Headers of fetch) keeps its content elsewhere than under its keys.
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    throw new InvalidOption('headers', `is ${written(headers)}`, "Give an object of texts: { Tenant: 'acme' }.");
  }
  const names = Object.keys(headers);
  if (names.length > HEADER_COUNT_MAX) {
    throw new InvalidHeader(
      names[HEADER_COUNT_MAX] ?? '',
      `a message has at most ${HEADER_COUNT_MAX} headers, this one has ${names.length}`,
    );
  }
  for (const name of names) checkHeader(name, headers[name]);
}

function checkHeader(name: string, value: unknown): void {
  if (REFUSED_NAMES.has(name)) throw new InvalidHeader(name, 'that name is never allowed');
  if (name.length > HEADER_NAME_LENGTH_MAX)
    throw new InvalidHeader(name, `a name has at most ${HEADER_NAME_LENGTH_MAX} characters`);
  if (!NAME.test(name))
    throw new InvalidHeader(
      name,
      'a name has one or more printable ASCII characters without space, quote or backslash',
    );
  if (typeof value !== 'string')
    throw new InvalidHeader(
      name,
      `its value is ${written(value)}, and only text travels`,
      'Write the value as a text.',
    );
}
