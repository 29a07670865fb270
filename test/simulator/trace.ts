/** What happened in a run, in order: its hash tells two runs apart, its last lines explain a failure. */
export class Trace {
  readonly #kept: string[] = [];
  readonly #keptMax: number;
  readonly #print: ((line: string) => void) | undefined;
  #upper = 0x811c9dc5;
  #lower = 0x9dc5811c;
  #count = 0;

  constructor(options: { readonly keptMax?: number; readonly print?: ((line: string) => void) | undefined } = {}) {
    this.#keptMax = options.keptMax ?? 400;
    this.#print = options.print;
  }

  get count(): number {
    return this.#count;
  }

  /** 64 bits over every line so far. */
  get hash(): string {
    const hex = (half: number): string => (half >>> 0).toString(16).padStart(8, '0');
    return hex(this.#upper) + hex(this.#lower);
  }

  add(atMs: number, text: string): void {
    const line = `${(atMs / 1000).toFixed(6)} ${text}`;
    for (let index = 0; index < line.length; index++) {
      this.#upper = Math.imul(this.#upper ^ line.charCodeAt(index), 0x01000193);
      this.#lower = Math.imul(this.#lower ^ (this.#upper >>> 11), 0x85ebca6b) + index;
    }
    this.#count++;
    this.#kept.push(line);
    if (this.#kept.length > 2 * this.#keptMax) this.#kept.splice(0, this.#keptMax);
    this.#print?.(line);
  }

  last(lineCount: number): readonly string[] {
    return this.#kept.slice(-lineCount);
  }
}
