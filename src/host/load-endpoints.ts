import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { EndpointModuleInvalid, EndpointNameTaken } from './errors.ts';
import type { HostContext } from './host-context.ts';

/**
 * Imports endpoint modules and takes the endpoints out of them, in the order of the files.
 *
 * A module's default export, or without one each of its exports, may be
 * - an `Endpoint`, not started,
 * - an array of them,
 * - a function that gets the `HostContext` and returns one of these, perhaps as a promise.
 * With named exports, what is none of these is passed over.
 *
 * @throws {EndpointModuleInvalid} a file cannot be loaded or holds no endpoint
 * @throws {EndpointNameTaken} two endpoints have one name
 */
export async function loadEndpoints(files: readonly string[], context: HostContext): Promise<readonly Endpoint[]> {
  const pathOf = new Map<string, string>();
  const endpoints: Endpoint[] = [];
  for (const file of files) {
    for (const endpoint of await loadModule(file, context)) {
      const other = pathOf.get(endpoint.name);
      if (other !== undefined) throw new EndpointNameTaken(endpoint.name, file, other);
      pathOf.set(endpoint.name, file);
      endpoints.push(endpoint);
    }
  }
  return endpoints;
}

async function loadModule(file: string, context: HostContext): Promise<readonly Endpoint[]> {
  const module = await importModule(file);
  const isDefault = 'default' in module;
  const exported = isDefault ? [module.default] : Object.values(module);
  const endpoints: Endpoint[] = [];
  for (const value of exported) {
    const made = isFactory(value) && (isDefault || exported.length === 1) ? await value(context) : value;
    for (const candidate of Array.isArray(made) ? made : [made]) if (isEndpoint(candidate)) endpoints.push(candidate);
  }
  if (endpoints.length > 0) return endpoints;
  const names = Object.keys(module).join(', ') || 'nothing';
  throw new EndpointModuleInvalid(
    file,
    `exports no endpoint (it exports ${names})`,
    "Write 'export default new Endpoint(…)', an array of them, or a function that returns one; do not start it.",
  );
}

async function importModule(file: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EndpointModuleInvalid(
      file,
      `could not be loaded: ${why}`,
      'Correct the path, or the error in the module.',
      { cause: error },
    );
  }
}

type Factory = (context: HostContext) => unknown;

function isFactory(value: unknown): value is Factory {
  return typeof value === 'function';
}

/** By its shape: the module may use another copy of this package than the host does. */
function isEndpoint(value: unknown): value is Endpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { name, start, stop, describe } = value as Partial<Endpoint>;
  return typeof name === 'string' && [start, stop, describe].every((method) => typeof method === 'function');
}
