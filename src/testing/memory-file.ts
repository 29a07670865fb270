import type { SmallFile } from '../io/small-file.ts';

/**
 * The content of a small file that outlives those who open it, as one on a disk outlives a process. Opening it takes it
 * away from whoever had it before: a process that was declared dead writes nothing any more.
 */
export class MemoryFile {
  #bytes = new Uint8Array(0);
  #openings = 0;

  open(): SmallFile {
    const opening = ++this.#openings;
    const isAlive = (): boolean => this.#openings === opening;
    return {
      found: this.#bytes.slice(),
      write: (bytes, offset) => {
        if (isAlive()) this.#write(bytes, offset);
      },
      close: () => undefined,
      remove: () => {
        if (isAlive()) this.#bytes = new Uint8Array(0);
      },
    };
  }

  #write(bytes: Uint8Array, offset: number): void {
    if (offset + bytes.byteLength > this.#bytes.byteLength) {
      const grown = new Uint8Array(offset + bytes.byteLength);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, offset);
  }
}
