import { resolve } from 'node:path';
import type { Io } from '../io/io.ts';
import { connectOperations } from '../operations/connect.ts';
import type { Operations } from '../operations/operations.ts';
import { UsageError } from './errors.ts';
import type { Terminal } from './terminal.ts';

/** What every verb gets. */
export interface VerbContext {
  readonly terminal: Terminal;
  readonly io: Io;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The options that every verb takes. */
export interface CommonOptions {
  readonly directory?: string;
  readonly json?: boolean;
}

/** A verb answers with its exit code: 0 done, 1 failed or something is wrong. Usage errors are thrown. */
export type ExitCode = 0 | 1;

/** Runs `work` with the operations of the directory that the options mean. */
export async function withOperations(
  context: VerbContext,
  options: CommonOptions & { readonly create?: boolean },
  work: (operations: Operations) => Promise<ExitCode>,
): Promise<ExitCode> {
  const directory = resolve(directoryOf(context, options));
  const connection = connectOperations({ directory, io: context.io, creates: options.create === true });
  try {
    return await work(connection.operations);
  } finally {
    await connection.close();
  }
}

/**
 * Where the queue manager is.
 *
 * @throws {UsageError} it is empty text, as of a shell variable that is not set: that would be the current directory
 */
export function directoryOf(context: Pick<VerbContext, 'environment'>, options: CommonOptions): string {
  const fromEnvironment = context.environment.POSTHORN_DIRECTORY;
  const directory = options.directory ?? fromEnvironment ?? '.posthorn';
  if (directory !== '') return directory;
  if (options.directory === '') throw new UsageError('--directory is empty.', 'Name a directory, or leave it out.');
  throw new UsageError('The environment variable POSTHORN_DIRECTORY is empty.', 'Name a directory in it, or unset it.');
}

/** One JSON document on one line. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.print(JSON.stringify(value));
}

/** Waits; keeps the process alive meanwhile. */
export function pause(io: Io, delayMs: number): Promise<void> {
  return new Promise((done) => void io.timers.after(delayMs, done, { keepsProcessAlive: true }));
}
