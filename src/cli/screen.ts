import type { Terminal } from './terminal.ts';

/** The alternate screen of a terminal; what was there comes back when it is left. */
export class Screen {
  readonly #terminal: Terminal;
  #isEntered = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  enter(): void {
    if (this.#isEntered) return;
    this.#isEntered = true;
    this.#terminal.write(`${ALTERNATE_SCREEN}${HIDE_CURSOR}${NO_WRAPPING}`);
  }

  leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    this.#terminal.write(`${WRAPPING}${SHOW_CURSOR}${FORMER_SCREEN}`);
  }

  /** The text from the top, cut where the screen ends, and one line at the bottom of it. */
  draw(text: string, footer: string): void {
    if (!this.#isEntered) return;
    const rows = (this.#terminal.rows ?? 24) - 2;
    const lines = text.split('\n');
    const shown =
      lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
    const body = [...shown, '', this.#terminal.dim(footer)].map((line) => `${line}${CLEAR_TO_END_OF_LINE}`);
    this.#terminal.write(`${HOME}${body.join('\r\n')}${CLEAR_BELOW}`);
  }
}

const ALTERNATE_SCREEN = '\u001b[?1049h';
const FORMER_SCREEN = '\u001b[?1049l';
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const NO_WRAPPING = '\u001b[?7l';
const WRAPPING = '\u001b[?7h';
const HOME = '\u001b[H';
const CLEAR_TO_END_OF_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
