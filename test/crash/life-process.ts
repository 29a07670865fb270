import { type ChildProcess, spawn } from 'node:child_process';
import {
  FAILPOINT_REACHED,
  FAILPOINTS,
  type Failpoint,
  TRANSACTION_FAILPOINTS,
  TRANSFER_FAILPOINTS,
} from '../../src/io/failpoint.ts';

/** How a process ended, and by whose hand. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The failpoint at which it killed itself. */
  readonly failpoint: Failpoint | undefined;
  /** True when it had written `ready`. */
  readonly wasReady: boolean;
  readonly outputText: string;
  readonly errorText: string;
}

/** A program of the crash test in a process of its own. */
export class LifeProcess {
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<boolean>();
  readonly #ended = Promise.withResolvers<End>();
  readonly #listeners = new Set<(line: string) => void>();
  #unfinishedLine = '';
  #wasReady = false;
  #outputText = '';
  #errorText = '';

  /** @param program - file name beside this one */
  constructor(program: string, programArguments: readonly string[], options: LifeOptions = {}) {
    const path = new URL(program, import.meta.url).pathname;
    const nodeArguments = ['--conditions=posthorn-source', ...(options.nodeOptions ?? []), path, ...programArguments];
    this.#child = spawn(process.execPath, nodeArguments, {
      env: { ...process.env, ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#outputText += text;
      this.#becameReady();
      this.#tellLines(text);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorText += text;
    });
    // Writing to one that has died is no error here.
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', (error) => this.#ended.reject(error));
    this.#child.on('close', (code, signal) => this.#hasEnded(code, signal));
  }

  /** Resolves when it wrote a line; false when it ended before. */
  get ready(): Promise<boolean> {
    return this.#ready.promise;
  }

  get ended(): Promise<End> {
    return this.#ended.promise;
  }

  /** Hears every whole line of its output from now on. */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Asks it to end in good order. */
  askToEnd(): void {
    this.#child.stdin?.write('end\n');
  }

  #tellLines(text: string): void {
    const lines = (this.#unfinishedLine + text).split('\n');
    this.#unfinishedLine = lines.pop() ?? '';
    for (const line of lines) for (const listener of this.#listeners) listener(line);
  }

  #becameReady(): void {
    this.#wasReady = true;
    this.#ready.resolve(true);
  }

  #hasEnded(code: number | null, signal: NodeJS.Signals | null): void {
    const reached = new RegExp(`^${FAILPOINT_REACHED}: (\\S+)$`, 'm').exec(this.#errorText)?.[1];
    const failpoint = [...FAILPOINTS, ...TRANSFER_FAILPOINTS, ...TRANSACTION_FAILPOINTS].find(
      (name) => name === reached,
    );
    this.#ready.resolve(false);
    this.#ended.resolve({
      code,
      signal,
      failpoint,
      wasReady: this.#wasReady,
      outputText: this.#outputText,
      errorText: this.#errorText,
    });
  }
}

export interface LifeOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly nodeOptions?: readonly string[];
}
