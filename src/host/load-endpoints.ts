import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { endpointsIn, isEndpoint, isMaker } from './endpoints-in.ts';
import { errorPlace } from './error-place.ts';
import { EndpointModuleInvalid, EndpointNameTaken } from './errors.ts';
import type { HostContext } from './host-context.ts';

/**
 * Imports endpoint modules and takes the endpoints out of them, in the order of the files.
 *
 * A module's default export, or its only one, is meant to be endpoints whatever else the module does. It may be
 * - an `Endpoint`, not started,
 * - a function that gets the `HostContext` and returns what may stand here, perhaps as a promise,
 * - an array of these.
 * Of several named exports, those that are endpoints or arrays of them are taken. Functions among them are not called,
 * for most are no makers of endpoints but helpers that may do anything. Warnings name them, and endpoints that stand beside a
 * default export, so that none is missed.
 *
 * @throws {EndpointModuleInvalid} a file cannot be loaded, holds no endpoint, or something else where one is meant
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
  const meant = meantExport(module);
  const endpoints = meant === undefined ? takeNamed(file, module, context) : await make(file, meant.value, context);
  if (meant !== undefined) warnOfOthers(file, module, endpoints, context);
  if (endpoints.length > 0) return endpoints;
  const names = Object.keys(module);
  const uncalled = names.filter((name) => isMaker(module[name]));
  throw new EndpointModuleInvalid(
    file,
    `exports no endpoint (it exports ${names.join(', ') || 'nothing'})`,
    uncalled.length === 0
      ? "Write 'export default new Endpoint(…)', an array of them, or a function that returns one; do not start it."
      : `A function is called where it is exported by default: write 'export default [${uncalled.join(', ')}]'.`,
  );
}

/** What is meant to be endpoints and nothing else: the default export, or a function that is exported alone. */
function meantExport(module: Exports): { readonly value: unknown } | undefined {
  if ('default' in module) return { value: module.default };
  const [only, ...others] = Object.values(module);
  return isMaker(only) && others.length === 0 ? { value: only } : undefined;
}

async function make(file: string, value: unknown, context: HostContext): Promise<readonly Endpoint[]> {
  try {
    return await endpointsIn(file, value, context);
  } catch (error) {
    if (error instanceof EndpointModuleInvalid) throw error;
    throw new EndpointModuleInvalid(file, `could not make its endpoints: ${tell(error)}`, 'Correct the error in it.', {
      cause: error,
    });
  }
}

function warnOfOthers(file: string, module: Exports, taken: readonly Endpoint[], { logger }: HostContext): void {
  const isLeftOut = (value: unknown): boolean => isEndpoint(value) && !taken.includes(value);
  const others = Object.keys(module).filter((name) => name !== 'default' && [module[name]].flat().some(isLeftOut));
  if (others.length === 0) return;
  logger.warn(
    `'${file}' exports ${others.join(', ')}, not started: beside a default export nothing else is taken. ` +
      'Put what is to run into an array, and export that by default.',
  );
}

/** One endpoint may have two names: its own, and a place in a list. */
function takeNamed(file: string, module: Exports, { logger }: HostContext): readonly Endpoint[] {
  const endpoints = new Set(Object.values(module).flat().filter(isEndpoint));
  const uncalled = Object.keys(module).filter((name) => isMaker(module[name]));
  if (endpoints.size > 0 && uncalled.length > 0) {
    const taken = Object.keys(module).filter((name) => [module[name]].flat().some(isEndpoint));
    logger.warn(
      `'${file}' exports ${uncalled.join(', ')}, not called: of several exports only endpoints are taken. ` +
        `Where that makes endpoints, write 'export default [${[...taken, ...uncalled].join(', ')}]'; ` +
        `with 'export default [${taken.join(', ')}]' nothing else is looked at.`,
    );
  }
  return [...endpoints];
}

type Exports = Readonly<Record<string, unknown>>;

async function importModule(file: string): Promise<Exports> {
  const { href } = pathToFileURL(resolve(file));
  try {
    return (await import(href)) as Exports;
  } catch (error) {
    if (isMissing(error, href)) throw new EndpointModuleInvalid(file, 'is not there', 'Correct the path.');
    const isPlaceUnknown = error instanceof SyntaxError && errorPlace(error) === undefined;
    throw new EndpointModuleInvalid(
      file,
      `could not be loaded: ${tell(error)}`,
      `Correct the error in the module${isPlaceUnknown ? `; 'node ${file}' shows its place` : ''}.`,
      { cause: error },
    );
  }
}

/** As opposed to a module that it imports. */
function isMissing(error: unknown, href: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    'url' in error &&
    error.url === href
  );
}

/** The text of an error with its place, as a part of a sentence. */
function tell(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
  const place = errorPlace(error);
  return place === undefined ? text : `${text} (${place})`;
}
