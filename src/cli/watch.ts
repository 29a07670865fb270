import type { Io } from '../io/io.ts';
import { readableTime } from './format.ts';
import { Screen } from './screen.ts';
import type { Terminal } from './terminal.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext } from './verb.ts';
import { WatchSignals } from './watch-signals.ts';

/** What is watched, read again every second. */
export interface Watched<Value extends object> {
  read(): Promise<Value>;
  /** The whole of it, for a terminal. */
  screen(value: Value): string;
  /** The parts of it, each by its name: where nobody looks at a terminal, one whose mark changed is written as a line. */
  entries(value: Value): readonly WatchedEntry[];
}

export interface WatchedEntry {
  readonly name: string;
  readonly mark: string;
  readonly line: string;
  readonly json: unknown;
  /** What is written when it is not there any more; absent: nothing. */
  readonly gone?: { readonly line: string; readonly json: unknown };
}

/**
 * Shows something every second until Control-C.
 *
 * On a terminal it draws on the alternate screen, so that the terminal is left as it was found, also when the process is
 * stopped in between or told to end. Elsewhere, and with `--json`, it writes a line for each change.
 */
export async function watch<Value extends object>(
  context: VerbContext,
  options: CommonOptions,
  watched: Watched<Value>,
): Promise<ExitCode> {
  const { terminal, io } = context;
  const shows = terminal.rows !== undefined && options.json !== true;
  const screen = shows ? new Screen(terminal) : undefined;
  const signals = new WatchSignals(screen);
  const log = new ChangeLog(terminal, options.json === true);
  screen?.enter();
  try {
    while (!signals.isOver) {
      const value = await Promise.race([watched.read(), signals.over]);
      if (value === undefined) break;
      if (screen === undefined) log.add(watched.entries(value));
      else screen.draw(watched.screen(value), `${readableTime(io.clock.wallNowMs())}   Control-C ends it`);
      await pauseUnless(io, signals);
    }
  } finally {
    screen?.leave();
    signals.stopListening();
  }
  return 0;
}

/** A second, or until a signal or a new size of the terminal asks for more. */
async function pauseUnless(io: Io, signals: WatchSignals): Promise<void> {
  const woken = Promise.withResolvers<void>();
  const timer = io.timers.after(REDRAW_MS, woken.resolve, { keepsProcessAlive: true });
  signals.onWake(woken.resolve);
  await woken.promise;
  timer.cancel();
}

const REDRAW_MS = 1000;

/** Writes what changed since it was written last; the first time everything. */
class ChangeLog {
  readonly #terminal: Terminal;
  readonly #asJson: boolean;
  #known: ReadonlyMap<string, WatchedEntry> = new Map();

  constructor(terminal: Terminal, asJson: boolean) {
    this.#terminal = terminal;
    this.#asJson = asJson;
  }

  add(entries: readonly WatchedEntry[]): void {
    const now = new Map(entries.map((entry) => [entry.name, entry]));
    for (const { name, gone } of this.#known.values()) if (gone !== undefined && !now.has(name)) this.#write(gone);
    for (const entry of entries) if (this.#known.get(entry.name)?.mark !== entry.mark) this.#write(entry);
    this.#known = now;
  }

  #write({ line, json }: { readonly line: string; readonly json: unknown }): void {
    if (this.#asJson) printJson(this.#terminal, json);
    else this.#terminal.print(line);
  }
}
