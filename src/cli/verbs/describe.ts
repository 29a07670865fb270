import { resolve } from 'node:path';
import type { EndpointDescription } from '../../endpoint/endpoint.ts';
import { loadEndpoints } from '../../host/load-endpoints.ts';
import { silentLogger } from '../../io/logger.ts';
import { formatCount } from '../format.ts';
import { type CommonOptions, directoryOf, type ExitCode, printJson, type VerbContext } from '../verb.ts';
import { type HostOptions, parseRole } from './host.ts';

/** `posthorn describe FILE…`: what the endpoints of these modules would do. Opens and starts nothing. */
export async function describe(
  context: VerbContext,
  files: readonly string[],
  options: HostOptions & CommonOptions,
): Promise<ExitCode> {
  const { terminal, io } = context;
  const role = parseRole(options.role);
  const directory = resolve(directoryOf(context, options));
  const endpoints = await loadEndpoints(files, { directory, queueManager: undefined, role, logger: silentLogger });
  for (const [index, endpoint] of endpoints.entries()) {
    const described = endpoint.useDefaults({ directory, role, io }).describe();
    if (options.json === true) {
      printJson(terminal, described);
      continue;
    }
    if (index > 0) terminal.print('');
    for (const [name, value] of factsOf(described)) terminal.print(`${terminal.bold(name.padEnd(14))} ${value}`);
  }
  return 0;
}

function factsOf(endpoint: EndpointDescription): [string, string][] {
  const handled = endpoint.handledTypes;
  return [
    ['Endpoint', endpoint.name],
    ['Transactions', `${endpoint.mode}, at most ${endpoint.timeoutMs / 1000} s each`],
    ['Concurrency', formatCount(endpoint.concurrency)],
    ['Attempts', `${formatCount(endpoint.attemptsMax)} at most, then '${endpoint.errorQueue}'`],
    ['Handles', handled.length === 0 ? 'nothing' : (handled[0] ?? '')],
    ...handled.slice(1).map((type): [string, string] => ['', type]),
  ];
}
