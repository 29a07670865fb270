import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { spawnPosthorn } from './posthorn-command.ts';

/** `posthorn host …` in a process of its own. */
export class HostProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #lastLines: string[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  /** Resolves when its endpoints handle messages. */
  static async start(given: readonly string[], environment: Record<string, string>): Promise<HostProcess> {
    const child = spawnPosthorn(given, environment);
    const host = new HostProcess(child);
    await host.#running();
    return host;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** SIGKILL: no handler, no finally, no flush runs any more. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Resolves when it has ended by itself. */
  get ended(): Promise<unknown> {
    return this.#exited;
  }

  /** SIGTERM: handlers that run may end. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
    if (this.#child.exitCode !== 0) throw this.#failure('did not stop in good order');
  }

  /** What it logged last, for a report of what went wrong. */
  get lastLines(): readonly string[] {
    return this.#lastLines;
  }

  async #running(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on('line', (line) => {
        this.#lastLines.push(line);
        if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift();
        if (line.includes('"Host of ')) resolve();
      });
    }
    this.#exited.then(() => reject(this.#failure('ended before its endpoints ran')));
    await promise;
  }

  #failure(what: string): Error {
    return new Error(`The host process ${what}. Its last lines:\n${this.#lastLines.join('\n')}`);
  }
}

const LINES_KEPT = 10;
