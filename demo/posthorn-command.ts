import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const POSTHORN = fileURLToPath(new URL('../bin/posthorn.js', import.meta.url));

/** Starts `posthorn` with these arguments, as a shell would, but from the source of this repository. */
export function spawnPosthorn(given: readonly string[], environment: Record<string, string>): ChildProcess {
  const nodeArguments = process.execArgv.filter((argument) => argument.startsWith('--conditions'));
  return spawn(process.execPath, [...nodeArguments, POSTHORN, ...given], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment, NO_COLOR: '1', COLUMNS: '76' },
  });
}

/** Runs a verb to its end and resolves with what it printed; rejects when it failed. */
export async function runPosthorn(directory: string, ...given: readonly string[]): Promise<string> {
  const child = spawnPosthorn(given, { POSTHORN_DIRECTORY: directory });
  let output = '';
  let complaints = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (exitCode !== 0) throw new Error(`posthorn ${given.join(' ')} ended with ${exitCode}: ${complaints || output}`);
  return output;
}

/** A program prints one JSON document a line with `--json`. */
export async function askPosthorn<Line>(directory: string, ...given: readonly string[]): Promise<Line[]> {
  const output = await runPosthorn(directory, ...given, '--json');
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
