/** What the demo shows: numbered steps with plain lines, and one line of progress that is rewritten on a terminal. */
export class Screen {
  readonly #output: NodeJS.WriteStream;
  readonly #startedMs = performance.now();
  #step = 0;
  #isInProgress = false;
  #progressShownMs = Number.NEGATIVE_INFINITY;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** What is done now, and below it why. */
  step(what: string, why = ''): void {
    this.#step++;
    this.line('');
    this.line(`${this.#step}. ${what}`);
    if (why !== '') this.line(`   ${why}`);
  }

  line(text: string): void {
    this.#endProgress();
    this.#output.write(`${text}\n`);
  }

  /** Several lines, set in from the left; what is too wide goes on below its last column. */
  block(text: string): void {
    for (const line of text.trimEnd().split('\n')) {
      for (const part of fold(line === '' ? '' : `   ${line}`)) this.line(part);
    }
  }

  progress(text: string): void {
    const stamped = `   ${this.#seconds()}  ${text}`.slice(0, COLUMNS_MAX);
    if (this.#output.isTTY) {
      this.#output.write(`\r${stamped}\u001b[K`);
      this.#isInProgress = true;
    } else if (performance.now() - this.#progressShownMs >= PLAIN_PROGRESS_MS) {
      this.#progressShownMs = performance.now();
      this.#output.write(`${stamped}\n`);
    }
  }

  /** A line with the time, as something that happened. */
  event(text: string): void {
    this.line(`   ${this.#seconds()}  ${text}`);
  }

  #seconds(): string {
    return `${(this.elapsedMs / 1000).toFixed(1).padStart(5)} s`;
  }

  #endProgress(): void {
    if (this.#isInProgress) this.#output.write('\n');
    this.#isInProgress = false;
  }
}

const COLUMNS_MAX = 79;
const PLAIN_PROGRESS_MS = 2_000;

function fold(line: string): string[] {
  if (line.length <= COLUMNS_MAX) return [line];
  const lastColumn = /^.*\s{2,}(?=\S)/.exec(line)?.[0].length ?? 0;
  const breakAt = line.lastIndexOf(' ', COLUMNS_MAX);
  if (breakAt <= lastColumn) return [line];
  return [line.slice(0, breakAt), ...fold(' '.repeat(lastColumn) + line.slice(breakAt + 1))];
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}
