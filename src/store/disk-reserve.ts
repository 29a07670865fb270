import { randomFillSync } from 'node:crypto';
import { closeSync, fdatasyncSync, fstatSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RESERVE_FILE } from './store-directory.ts';

/**
 * Room that is kept for the day on which the disk is full: SQLite needs space even to delete, so a file of real blocks
 * (random bytes: neither sparse nor compressible) is given up then, and made again when space has returned.
 *
 * It is built in small steps in idle time, because 16 MiB at every first opening would make opening slow. Before that the
 * low-water mark protects alone: growth is refused while there is still room to delete.
 */
export class DiskReserve {
  readonly lowWaterBytes: number;
  readonly reserveBytes: number;
  readonly #directory: string;
  readonly #path: string;
  #builtBytes: number;

  constructor(directory: string, limits: ReserveLimits) {
    this.#directory = directory;
    this.#path = join(directory, RESERVE_FILE);
    const { blocks, bsize } = statfsSync(directory);
    const smallShareBytes = blocks * bsize * SHARE_MAX;
    this.reserveBytes = Math.floor(limits.reserveBytes ?? Math.min(RESERVE_BYTES, smallShareBytes));
    this.lowWaterBytes = Math.floor(limits.lowWaterBytes ?? Math.min(LOW_WATER_BYTES, smallShareBytes));
    this.#builtBytes = this.#readBuiltBytes();
  }

  get isWhole(): boolean {
    return this.#builtBytes >= this.reserveBytes;
  }

  get missingBytes(): number {
    return Math.max(0, this.reserveBytes - this.#builtBytes);
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#directory);
    return bavail * bsize;
  }

  /** Gives the space back to the file system. */
  release(): void {
    rmSync(this.#path, { force: true });
    this.#builtBytes = 0;
  }

  /** Adds a piece, synced; throws what the file system says, and then what was there before is still counted. */
  buildStep(): void {
    if (this.isWhole) return;
    const piece = randomFillSync(Buffer.allocUnsafe(Math.min(STEP_BYTES, this.missingBytes)));
    const descriptor = openSync(this.#path, this.#builtBytes === 0 ? 'w' : 'r+', 0o600);
    try {
      const written = writeSync(descriptor, piece, 0, piece.byteLength, this.#builtBytes);
      fdatasyncSync(descriptor);
      this.#builtBytes += written;
    } finally {
      closeSync(descriptor);
    }
  }

  #readBuiltBytes(): number {
    try {
      const descriptor = openSync(this.#path, 'r');
      try {
        const { size, blocks } = fstatSync(descriptor);
        return Math.min(size, blocks * 512);
      } finally {
        closeSync(descriptor);
      }
    } catch {
      // Absent or not readable: it is made anew.
      return 0;
    }
  }
}

export interface ReserveLimits {
  readonly reserveBytes: number | undefined;
  readonly lowWaterBytes: number | undefined;
}

const RESERVE_BYTES = 16 * 1024 * 1024;
const LOW_WATER_BYTES = 64 * 1024 * 1024;
/** Of the whole file system, for both: a store must not claim a small one for itself. */
const SHARE_MAX = 0.05;
const STEP_BYTES = 1024 * 1024;
