import type { SingleBar } from 'cli-progress';
import type { Io } from '../io/io.ts';
import type { Terminal } from './terminal.ts';

/**
 * A progress bar on standard error, for work that turns out to be long: it appears after half a second, and only on a
 * terminal. Elsewhere nothing is drawn.
 */
export class Progress {
  readonly #terminal: Terminal;
  readonly #io: Io;
  readonly #startedMs: number;
  readonly #what: string;
  #bar: SingleBar | undefined;

  constructor(terminal: Terminal, io: Io, what: string) {
    this.#terminal = terminal;
    this.#io = io;
    this.#what = what;
    this.#startedMs = io.clock.monotonicNowMs();
  }

  /** `done` of `total`, which may grow; `detail` stands at the end of the line. */
  async show(done: number, total: number, detail = ''): Promise<void> {
    if (!this.#terminal.showsProgress) return;
    const shown = Math.max(done, total);
    if (this.#bar === undefined) {
      if (this.#io.clock.monotonicNowMs() - this.#startedMs < SHOWN_AFTER_MS) return;
      const { SingleBar, Presets } = (await import('cli-progress')).default;
      const format = `${this.#what} {bar} {percentage}%  {value}/{total}  {detail}`;
      this.#bar = new SingleBar(
        { format, barsize: 24, hideCursor: true, clearOnComplete: true, stream: process.stderr },
        Presets.shades_classic,
      );
      this.#bar.start(shown, done, { detail });
    }
    this.#bar.setTotal(shown);
    this.#bar.update(done, { detail });
  }

  /** Takes the bar off the screen. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

const SHOWN_AFTER_MS = 500;
