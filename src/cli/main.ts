import { CommanderError } from 'commander';
import { nodeIo } from '../io/node-io.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { OutputUnwritable, UsageError } from './errors.ts';
import { buildProgram } from './program.ts';
import { harmlessLines, processTerminal, type Terminal } from './terminal.ts';
import type { VerbContext } from './verb.ts';

/**
 * Runs one command line, without `node` and the script's name. Never throws.
 *
 * @returns the exit code: 0 done, 1 failed or something is wrong, 2 the command line cannot be meant
 */
export async function main(given: readonly string[]): Promise<number> {
  const asJson = given.includes('--json');
  const terminal = processTerminal({
    onUnwritable: (error) => {
      report(terminal, new OutputUnwritable(error), asJson);
      process.exit(1);
    },
  });
  const context: VerbContext = { terminal, io: nodeIo(), environment: process.env };
  let exitCode: number = 0;
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...given], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Verbs without a subcommand got their help instead of a sentence.
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    const told = error instanceof CommanderError ? usageErrorOf(error) : error;
    report(terminal, told, asJson);
    return isUsage(told) ? 2 : 1;
  }
}

/** What a person typed, as opposed to what happened. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  'USAGE',
  'INVALID_OPTION',
  'INVALID_FILTER',
  'INVALID_ADDRESS',
  'INVALID_HEADER',
  'INVALID_MESSAGE_TYPE',
]);

function isUsage(error: unknown): boolean {
  return error instanceof PosthornError && USAGE_CODES.has(error.code);
}

/** `error: unknown option '--jsn'\n(Did you mean --json?)`, as commander says it, in our form. */
function usageErrorOf({ message }: CommanderError): UsageError {
  const [what = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const nearest = suggestion === undefined ? '' : `${suggestion.replace(/^\((.*)\)$/, '$1')} `;
  return new UsageError(
    what.endsWith('.') ? what : `${what}.`,
    `${nearest}'posthorn --help' lists the verbs, 'posthorn VERB --help' what one takes.`,
  );
}

function report(terminal: Terminal, error: unknown, asJson: boolean): void {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNEXPECTED';
  if (asJson) {
    const mend = error instanceof PosthornError ? error.mend : undefined;
    terminal.note(JSON.stringify({ error: { code, message: text, mend } }));
    return;
  }
  terminal.note(`posthorn: ${harmlessLines(text)}`);
  // What nobody foresaw is for a report: where it came from is all there is to go by.
  if (!(error instanceof PosthornError) && error instanceof Error && !('syscall' in error))
    terminal.note(harmlessLines(error.stack ?? ''));
}
