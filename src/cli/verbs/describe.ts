import { resolve } from 'node:path';
import type { EndpointDescription } from '../../endpoint/endpoint-description.ts';
import { loadEndpoints } from '../../host/load-endpoints.ts';
import { stderrLogger } from '../../io/stderr-logger.ts';
import { countOf, formatCount } from '../format.ts';
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
  const endpoints = await loadEndpoints(files, { directory, queueManager: undefined, role, logger: stderrLogger() });
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
  return [
    ['Endpoint', endpoint.name],
    ['Transactions', `${endpoint.mode}, at most ${endpoint.timeoutMs / 1000} s each`],
    ...(endpoint.mode === 'distributed' ? databaseFactsOf(endpoint) : []),
    ['Concurrency', formatCount(endpoint.concurrency)],
    ['Attempts', `${formatCount(endpoint.attemptsMax)} at most, then '${endpoint.errorQueue}'`],
    ['Retries', retriesOf(endpoint)],
    ...lines('Handles', endpoint.handledTypes),
    ...lines(
      'Routes',
      Object.entries(endpoint.routes).map(([type, destination]) => `${type} → ${destination}`),
    ),
    ...lines(
      'Publishers',
      Object.entries(endpoint.publishers).flatMap(([type, sources]) => sources.map((source) => `${type} ← ${source}`)),
    ),
  ];
}

function databaseFactsOf({ resources, isolationLevel, sendsVisible }: EndpointDescription): [string, string][] {
  if (resources.length === 0) return [['Databases', 'none, so the queues commit in one local unit']];
  return [
    ...lines(
      'Databases',
      resources.map(
        ({ name, kind, target, protocol }) =>
          `${name} (${kind}, ${target.user}@${target.host}:${target.port}/${target.database}), ${isolationLevel}; ${protocol}`,
      ),
    ),
    [
      'Sends',
      sendsVisible === 'afterBranches'
        ? 'can be received when every database has committed'
        : 'can be received as soon as the commit is decided',
    ],
  ];
}

function retriesOf({ retries, ruleCount, unrecoverableErrorCount, hasOwnPolicy }: EndpointDescription): string {
  const { immediateRetries, delayedRetries, delayedRetryIncreaseMs, backoff } = retries;
  return [
    `${immediateRetries} at once`,
    `${delayedRetries} delayed${delayedRetries > 0 ? ` (${delayedRetryIncreaseMs / 1000} s, ${backoff})` : ''}`,
    ...(ruleCount > 0 ? [countOf(ruleCount, 'rule')] : []),
    ...(unrecoverableErrorCount > 0 ? [countOf(unrecoverableErrorCount, 'unrecoverable error')] : []),
    ...(hasOwnPolicy ? ['a policy of its own'] : []),
  ].join(', ');
}

/** The name on the first line alone; `nothing` for none. */
function lines(name: string, values: readonly string[]): [string, string][] {
  const [first = 'nothing', ...others] = values;
  return [[name, first], ...others.map((value): [string, string] => ['', value])];
}
