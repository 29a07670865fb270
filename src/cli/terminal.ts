import { styleText } from 'node:util';

/** Where a verb writes: results to standard output, everything about the work to standard error. */
export interface Terminal {
  /** One line of the result. */
  print(line: string): void;
  /** One line about the work: progress, hints, warnings. */
  note(line: string): void;
  bold(text: string): string;
  dim(text: string): string;
  /** Columns that a table may take; undefined when standard output is no terminal, and then nothing is cut. */
  readonly columns: number | undefined;
  /** Lines of the terminal; undefined when standard output is none. */
  readonly rows: number | undefined;
  /** Writes to standard output as it is, for drawing on a terminal. */
  write(text: string): void;
  /** True when a person can be asked: standard input and standard error are terminals. */
  readonly canAsk: boolean;
  /** True when standard error is a terminal that a progress bar may be drawn on. */
  readonly showsProgress: boolean;
}

/**
 * The terminal of this process. Colours obey NO_COLOR and are left out when the output goes elsewhere.
 *
 * @param onUnwritable - standard output takes nothing any more, as on a full disk; may be called more than once
 */
export function processTerminal({ onUnwritable }: { readonly onUnwritable: (error: Error) => void }): Terminal {
  const { stdin, stdout, stderr } = process;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // The reader went away, as `head` does when it has enough: nothing is left to be done, and that is no failure.
      if (error.code === 'EPIPE') process.exit(0);
      // What standard error does not take can be told nowhere; the exit code still tells how it ended.
      if (stream === stdout) onUnwritable(error);
    });
  }
  return {
    print: (line) => void stdout.write(`${line}\n`),
    note: (line) => void stderr.write(`${line}\n`),
    bold: (text) => styleText('bold', text, { stream: stdout }),
    dim: (text) => styleText('dim', text, { stream: stdout }),
    write: (text) => void stdout.write(text),
    get columns() {
      return stdout.isTTY ? stdout.columns || 80 : undefined;
    },
    get rows() {
      return stdout.isTTY ? stdout.rows || 24 : undefined;
    },
    canAsk: stdin.isTTY === true && stderr.isTTY === true,
    showsProgress: stderr.isTTY === true,
  };
}

/**
 * Text from a message, fit for a terminal: control characters and those that turn the direction of writing are shown as
 * `�`, line ends as a space. Whatever a message holds, it cannot move the cursor or hide itself.
 */
export function harmless(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ').replace(UNSAFE, '\ufffd');
}

/** The same, with line ends and tabs kept. */
export function harmlessLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => line.replaceAll('\t', '  ').replace(UNSAFE, '\ufffd'))
    .join('\n');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is its purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
