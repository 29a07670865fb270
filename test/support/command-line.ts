import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const REPOSITORY = resolve(import.meta.dirname, '../..');

export interface CommandResult {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real CLI in a process of its own, from the sources, and waits for its end. */
export async function posthorn(given: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return await startPosthorn(given, options).ended;
}

export function startPosthorn(given: readonly string[], options: CommandOptions = {}): RunningCommand {
  return startNode([join(REPOSITORY, 'bin/posthorn.js'), ...given], options);
}

/** Runs a script of `test/acceptance/fixtures` in a process of its own. */
export function startFixture(name: string, given: readonly string[], options: CommandOptions = {}): RunningCommand {
  return startNode([fixture(name), ...given], options);
}

export function fixture(name: string): string {
  return join(REPOSITORY, 'test/acceptance/fixtures', name);
}

function startNode(given: readonly string[], options: CommandOptions): RunningCommand {
  const nodeCommand = [process.execPath, '--conditions=posthorn-source', ...given];
  const [command = '', ...commandArguments] =
    options.isBoundByPermissions === true && process.getuid?.() === 0
      ? [...AS_BOUND_ROOT, ...nodeCommand]
      : nodeCommand;
  const child = spawn(command, commandArguments, {
    cwd: options.cwd ?? REPOSITORY,
    env: { ...process.env, POSTHORN_DIRECTORY: undefined, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(options.stdin ?? '');
  return new RunningCommand(child);
}

/** Runs another program; its standard input stays open. */
export function startProgram(command: string, given: readonly string[]): RunningCommand {
  return new RunningCommand(spawn(command, given, { cwd: REPOSITORY, stdio: ['pipe', 'pipe', 'pipe'] }));
}

/** Another user could not even enter a clone that only root may read; root without these three rights can. */
const AS_BOUND_ROOT = ['setpriv', '--bounding-set=-dac_override,-dac_read_search,-fowner'];

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string;
  readonly cwd?: string;
  /** Permissions bind everybody but root; with this they bind root too. */
  readonly isBoundByPermissions?: boolean;
}

/** A process of the CLI, and what it wrote so far. */
export class RunningCommand {
  readonly process: ChildProcess;
  readonly ended: Promise<CommandResult>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.process = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(child, 'close').then(([exitCode]) => ({
      exitCode: exitCode ?? undefined,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** Resolves when standard output holds the text; rejects when the process ends before. */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      const ended = await Promise.race([
        once(this.process.stdout ?? this.process, 'data').then(() => undefined),
        this.ended,
      ]);
      if (ended !== undefined && !this.stdout.includes(text)) {
        throw new Error(`ended with ${ended.exitCode} and never said '${text}':\n${this.stdout}${this.stderr}`);
      }
    }
  }

  kill(signal: NodeJS.Signals): Promise<CommandResult> {
    this.process.kill(signal);
    return this.ended;
  }
}

/** A directory that goes when the test ends. */
export function temporaryDirectory(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-story-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Starts `posthorn host` on the shop of the fixtures and waits until it runs. */
export async function startShop(
  directory: string,
  options: CommandOptions & { readonly given?: readonly string[] } = {},
): Promise<RunningCommand> {
  const host = startPosthorn(['host', fixture('shop.ts'), '--directory', directory, ...(options.given ?? [])], options);
  await host.says('runs in process');
  return host;
}

/** The objects of JSON lines. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
