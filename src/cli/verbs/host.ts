import { resolve } from 'node:path';
import { consoleLogger } from '../../host/console-logger.ts';
import { Host, type HostOptions as RunOptions } from '../../host/host.ts';
import { jsonLogger } from '../../host/json-logger.ts';
import type { Logger } from '../../io/logger.ts';
import { InvalidOption } from '../../message/errors.ts';
import { checkMachineName, parseDuration, parseListen } from '../values.ts';
import { type CommonOptions, directoryOf, type ExitCode, type VerbContext } from '../verb.ts';

export interface HostOptions extends CommonOptions {
  readonly role: string;
  readonly stopTimeout?: string;
  readonly machine?: string;
  readonly listen?: string;
  readonly allowPlaintext?: boolean;
}

/**
 * `posthorn host FILE…`: runs endpoints until SIGTERM or SIGINT. The first signal lets handlers end, the second does not.
 *
 * Exit code 0 after a signal, 1 when the start failed or an endpoint met a critical error.
 */
export async function host(context: VerbContext, files: readonly string[], options: HostOptions): Promise<ExitCode> {
  const role = parseRole(options.role);
  const timeoutMs = parseDuration('--stop-timeout', options.stopTimeout ?? '30s');
  const queueManager = networkOf(options);
  const directory = resolve(directoryOf(context, options));
  // Endpoints that name no directory take the host's.
  process.env.POSTHORN_DIRECTORY = directory;
  const logger = makeLogger(context, options);
  const ending = Promise.withResolvers<ExitCode>();
  const running = new Host({
    files,
    directory,
    queueManager,
    role,
    logger,
    io: context.io,
    onCriticalError: ({ endpoint, what, error }) => {
      logger.error(`Critical error in '${endpoint}': ${what}. The host stops.`, { endpoint, error });
      ending.resolve(1);
    },
  });
  const signals = listenToSignals(logger, {
    first: (name) => {
      logger.info(`${name}: stopping, handlers have ${timeoutMs / 1000} s to end.`);
      ending.resolve(0);
    },
    second: (name) => {
      logger.warn(`${name} again: stopping at once.`);
      running.stop({ timeoutMs: 0 }).catch((error: unknown) => logger.error('Stopping failed.', { error }));
    },
  });
  try {
    await running.start();
    // Lines for machines carry the pid already.
    logger.info(`Host of '${directory}' runs in process ${process.pid} as ${role}.`, { directory, role });
    const exitCode = await ending.promise;
    await running.stop({ timeoutMs });
    logger.info('Stopped.');
    endSoon(context, exitCode, logger);
    return exitCode;
  } finally {
    signals.stopListening();
  }
}

/** Timers and connections of the modules may outlive their endpoints; the process does not. */
function endSoon(context: VerbContext, exitCode: ExitCode, logger: Logger): void {
  context.io.timers.after(LEFTOVERS_MS_MAX, () => {
    logger.warn('A timer or connection of an endpoint module is still open; the process ends without it.');
    process.exit(exitCode);
  });
}

const LEFTOVERS_MS_MAX = 2000;

export function parseRole(text: string): 'server' | 'client' {
  if (text === 'server' || text === 'client') return text;
  throw new InvalidOption('--role', `is '${text}'`, "It is 'server' or 'client'.");
}

/** What is not said stays as the directory has it: its name, and its `network.json`. */
function networkOf({ machine, listen, allowPlaintext }: HostOptions): NonNullable<RunOptions['queueManager']> {
  if (machine !== undefined) checkMachineName(machine);
  return {
    ...(machine !== undefined && { machine }),
    ...(listen !== undefined && { listen: parseListen(listen) }),
    ...(allowPlaintext === true && { allowPlaintext }),
  };
}

function makeLogger(context: VerbContext, options: HostOptions): Logger {
  const isRead = context.terminal.columns !== undefined && options.json !== true;
  return isRead ? consoleLogger(context.io) : jsonLogger();
}

function listenToSignals(
  logger: Logger,
  on: { first(name: string): void; second(name: string): void },
): { stopListening(): void } {
  let count = 0;
  const listener = (name: string): void => {
    count++;
    if (count === 1) on.first(name);
    else on.second(name);
  };
  const crashed = (error: unknown): void => logger.error('The process ends: an error that nobody caught.', { error });
  process.on('SIGTERM', listener).on('SIGINT', listener).on('uncaughtExceptionMonitor', crashed);
  return {
    stopListening() {
      process.off('SIGTERM', listener).off('SIGINT', listener).off('uncaughtExceptionMonitor', crashed);
    },
  };
}
