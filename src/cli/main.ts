import { CommanderError } from 'commander';
import { nodeIo } from '../io/node-io.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { buildProgram } from './program.ts';
import { processTerminal } from './terminal.ts';
import type { VerbContext } from './verb.ts';

/**
 * Runs one command line, without `node` and the script's name. Never throws.
 *
 * @returns the exit code: 0 done, 1 failed or something is wrong, 2 the command line cannot be meant
 */
export async function main(given: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  const context: VerbContext = { terminal, io: nodeIo(), environment: process.env };
  let exitCode: number = 0;
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...given], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    report(context, error, given.includes('--json'));
    return isUsage(error) ? 2 : 1;
  }
}

/** What a person typed, as opposed to what happened. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  'USAGE',
  'INVALID_OPTION',
  'INVALID_FILTER',
  'INVALID_ADDRESS',
  'INVALID_HEADER',
]);

function isUsage(error: unknown): boolean {
  return error instanceof PosthornError && USAGE_CODES.has(error.code);
}

function report(context: VerbContext, error: unknown, asJson: boolean): void {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNEXPECTED';
  if (asJson) {
    const mend = error instanceof PosthornError ? error.mend : undefined;
    context.terminal.note(JSON.stringify({ error: { code, message: text, mend } }));
    return;
  }
  context.terminal.note(`posthorn: ${text}`);
  // What nobody foresaw is for a report: where it came from is all there is to go by.
  if (!(error instanceof PosthornError) && error instanceof Error && !('syscall' in error))
    context.terminal.note(error.stack ?? '');
}
