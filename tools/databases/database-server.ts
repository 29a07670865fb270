import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { freePort } from '../free-port.ts';
import { allGone, processWithChildren, signalAll } from './process-tree.ts';
import type { ServerOwner } from './server-owner.ts';

/**
 * A private database server: one process, data in `directory`, on a port of 127.0.0.1.
 *
 * It never outlives us. A watchdog (a shell) reads from a pipe that we hold; when we end in whatever way, the pipe ends,
 * and the watchdog ends the server.
 *
 *     stopped ── start ──▶ running ── stop, kill ──▶ stopped       running ── freeze ──▶ frozen ── thaw ──▶ running
 */
export class DatabaseServer implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  readonly #recipe: ServerRecipe;
  readonly #output: string[] = [];
  #running: Running | undefined;

  constructor(recipe: ServerRecipe) {
    this.#recipe = recipe;
    this.url = recipe.url;
    this.port = recipe.port;
    this.directory = recipe.directory;
  }

  /** Starts one on this port; without one, on a free port, and on another when that one was taken meanwhile. */
  static async startAt(port: number | undefined, recipeFor: (port: number) => ServerRecipe): Promise<DatabaseServer> {
    for (;;) {
      const server = new DatabaseServer(recipeFor(port ?? (await freePort())));
      try {
        await server.start();
        return server;
      } catch (error) {
        if (error instanceof ServerNotStarted && error.isPortTaken && port === undefined) continue;
        await server[Symbol.asyncDispose]();
        throw error;
      }
    }
  }

  /** Of the server's first process, while it runs. */
  get pid(): number | undefined {
    return this.#running?.process.pid;
  }

  /** The last lines that it wrote. */
  get output(): string {
    return this.#output.join('\n');
  }

  /** Resolves when it accepts connections. */
  async start(): Promise<void> {
    if (this.#running !== undefined) throw new Error(`The server on port ${this.port} runs already.`);
    const { command, owner, directory } = this.#recipe;
    const child = spawn(command, this.#recipe.arguments, {
      ...owner,
      cwd: directory,
      // A Control-C at the terminal is for us: whoever started the server stops it.
      detached: true,
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        TMPDIR: directory,
        LC_ALL: 'C',
        TZ: 'UTC',
        ...this.#recipe.environment,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = once(child, 'exit');
    const running = { process: child, exited, watchdog: watch(child.pid, this.#recipe) };
    this.#running = running;
    void exited.then(() => this.#forget(running));
    const readiness = this.#readiness(child);
    const timeout = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
    try {
      const isReady = await Promise.race([readiness, exited.then(() => false)]);
      if (!isReady) throw new ServerNotStarted(this.output);
    } finally {
      clearTimeout(timeout);
    }
    child.unref();
  }

  /** In good order; the data stay. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.thaw();
    running.process.ref();
    running.process.kill(this.#recipe.stopSignal);
    const timeout = setTimeout(() => signalAll(pidsOf(running), 'SIGKILL'), STOP_TIMEOUT_MS);
    await running.exited;
    clearTimeout(timeout);
  }

  /** SIGKILL to all its processes: as a power failure, but for what the system still writes. */
  async kill(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.process.ref();
    const pids = pidsOf(running);
    signalAll(pids, 'SIGKILL');
    await running.exited;
    await allGone(pids);
  }

  /** Stops it, or kills it (`immediate`), and starts it again on the same port. */
  async restart({ immediate }: { readonly immediate: boolean }): Promise<void> {
    await (immediate ? this.kill() : this.stop());
    await this.start();
  }

  /** All its processes stand still: connections stay open, and nothing answers. */
  freeze(): void {
    if (this.#running !== undefined) signalAll(pidsOf(this.#running), 'SIGSTOP');
  }

  thaw(): void {
    if (this.#running !== undefined) signalAll(pidsOf(this.#running), 'SIGCONT');
  }

  /** Stops it and removes its data when their directory was made for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#recipe.ownsDirectory) rmSync(this.directory, { recursive: true, force: true });
  }

  #readiness(child: ChildProcess): Promise<boolean> {
    return new Promise((resolve) => {
      if (child.stderr === null) throw new Error('The server was started without a pipe for its log.');
      const lines = createInterface({ input: child.stderr });
      lines.on('line', (line) => {
        this.#output.push(line);
        if (this.#output.length > OUTPUT_LINES_MAX) this.#output.shift();
        if (this.#recipe.readyLine.test(line)) resolve(true);
      });
      if ('unref' in child.stderr && typeof child.stderr.unref === 'function') child.stderr.unref();
    });
  }

  #forget(running: Running): void {
    running.watchdog.stdin?.end('done\n');
    if (this.#running === running) this.#running = undefined;
  }
}

export interface ServerRecipe {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  readonly ownsDirectory: boolean;
  readonly owner: ServerOwner | undefined;
  readonly command: string;
  readonly arguments: readonly string[];
  /** What it writes once it accepts connections. */
  readonly readyLine: RegExp;
  /** For a stop in good order that does not wait for clients. */
  readonly stopSignal: NodeJS.Signals;
  /** For a stop at once, with which it still clears away what it shares with other processes. */
  readonly abandonSignal: NodeJS.Signals;
  /** Beside what every server gets. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** The server ended before it was ready. The text is what it wrote. */
export class ServerNotStarted extends Error {
  constructor(output: string) {
    super(`The server ended before it was ready. It wrote:\n${output}`);
  }

  /** Somebody took the port between our look and its start. */
  get isPortTaken(): boolean {
    return /Address already in use|Do you already have another/i.test(this.message);
  }
}

interface Running {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly watchdog: ChildProcess;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const OUTPUT_LINES_MAX = 200;

function pidsOf({ process: { pid } }: Running): number[] {
  return pid === undefined ? [] : processWithChildren(pid);
}

/** Reads `done` when the server ended before us. At the end of the pipe it wakes what is frozen, and ends the server. */
const WATCHDOG = `
read -r word && exit 0
for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null) "$1"; do kill -CONT "$child" 2>/dev/null; done
kill -"$2" "$1" 2>/dev/null
looks=0
while kill -0 "$1" 2>/dev/null && [ "$looks" -lt 100 ]; do
  # Where nobody asks about orphans that ended, they stay as zombies.
  case "$(cat "/proc/$1/stat" 2>/dev/null)" in *") Z"*) break ;; esac
  looks=$((looks + 1))
  sleep 0.1
done
[ -z "$3" ] || rm -rf -- "$3"
`;

function watch(pid: number | undefined, { abandonSignal, ownsDirectory, directory }: ServerRecipe): ChildProcess {
  const values = [String(pid), abandonSignal.replace('SIG', ''), ownsDirectory ? directory : ''];
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG, 'watchdog', ...values], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
  const { stdin } = watchdog;
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  return watchdog;
}
