import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';

/** A small file written in place, without sync: it outlives the process, not the machine. Calls return at once (page cache). */
export interface SmallFile {
  /** The whole content at open. */
  readonly found: Uint8Array;
  write(bytes: Uint8Array, offset: number): void;
  close(): void;
  /** Closes it and takes it off the disk. */
  remove(): void;
}

/** Opens or makes the file at `path`, readable by its owner alone. Bytes beyond `bytesMax` are cut off. */
export function openSmallFile(path: string, bytesMax: number): SmallFile {
  const descriptor = openSync(path, 'a+', 0o600);
  closeSync(descriptor);
  const inPlace = openSync(path, 'r+');
  const buffer = Buffer.alloc(bytesMax);
  const foundBytes = readSync(inPlace, buffer, 0, bytesMax, 0);
  ftruncateSync(inPlace, foundBytes);
  return {
    found: buffer.subarray(0, foundBytes),
    write(bytes, offset) {
      writeSync(inPlace, bytes, 0, bytes.byteLength, offset);
    },
    close() {
      closeSync(inPlace);
    },
    remove() {
      closeSync(inPlace);
      unlinkSync(path);
    },
  };
}
