import type { Endpoint } from '../endpoint/endpoint.ts';
import { EndpointModuleInvalid } from './errors.ts';
import type { HostContext } from './host-context.ts';

/**
 * The endpoints that an export is meant to be: one, or what a function makes, or an array of these.
 *
 * @throws {EndpointModuleInvalid} something else is among them, such as what a function makes that forgot its `return`:
 * passed over, that endpoint would never run, and its messages would wait
 */
export async function endpointsIn(file: string, value: unknown, context: HostContext): Promise<readonly Endpoint[]> {
  const made = isMaker(value) ? await value(context) : await value;
  if (isEndpoint(made)) return [made];
  if (!Array.isArray(made) && !isMaker(made)) {
    const origin = isMaker(value) ? ` (what its function ${value.name} returned)` : '';
    throw new EndpointModuleInvalid(
      file,
      `has ${described(made)} where an endpoint is meant${origin}`,
      'Give an endpoint there, not started, an array of them, or a function that returns one.',
    );
  }
  const endpoints: Endpoint[] = [];
  for (const part of [made].flat()) endpoints.push(...(await endpointsIn(file, part, context)));
  return endpoints;
}

type Maker = (context: HostContext) => unknown;

/** Any function but a class, which cannot be called. */
export function isMaker(value: unknown): value is Maker {
  return typeof value === 'function' && !isClass(value);
}

/** By its shape: the module may use another copy of this package than the host does. */
export function isEndpoint(value: unknown): value is Endpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { name, start, stop, describe } = value as Partial<Endpoint>;
  return typeof name === 'string' && [start, stop, describe].every((method) => typeof method === 'function');
}

function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function described(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'function') return `the class ${value.name}`;
  return typeof value === 'object' ? 'an object' : `the ${typeof value} ${String(value).slice(0, 80)}`;
}
