import type { DiskReserve } from './disk-reserve.ts';
import type { Engine } from './engine.ts';
import { sqliteFailure } from './sqlite-failure.ts';

/**
 * Room on the disk: tells early when it gets scarce, gives the reserve up when it is gone, and gives back to the file
 * system what removals left, until there is enough again.
 */
export class DiskRoom {
  readonly #reserve: DiskReserve;
  readonly #nowMs: () => number;
  /** Above the low-water mark there must be this much, so that the log of the next groups does not end it at once. */
  readonly #marginBytes: number;
  /** Bytes that may be handed over before the free space is looked at again. */
  #unwatchedBytes = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(reserve: DiskReserve, options: { readonly logBytesMax: number; readonly nowMs: () => number }) {
    this.#reserve = reserve;
    this.#nowMs = options.nowMs;
    this.#marginBytes = Math.max(reserve.lowWaterBytes / 4, 2 * options.logBytesMax);
  }

  freeBytes(): number {
    return this.#reserve.freeBytes();
  }

  /** True when there is too little room for more; looks only after a part of the room was handed over, or after a while. */
  isScarceAfter(byteCount: number): boolean {
    this.#unwatchedBytes -= byteCount;
    const nowMs = this.#nowMs();
    if (this.#unwatchedBytes > 0 && nowMs - this.#lookedMs < LOOK_EVERY_MS) return false;
    this.#lookedMs = nowMs;
    const spareBytes = this.#reserve.freeBytes() - this.#reserve.lowWaterBytes;
    this.#unwatchedBytes = spareBytes / DISK_BYTES_PER_BYTE;
    return spareBytes < 0;
  }

  /** SQLite itself ran out of space. */
  giveUpReserve(engine: Engine): void {
    this.#reserve.release();
    this.unlessFull(() => engine.checkpoint({ truncate: true }));
  }

  /** Gives space back to the file system and rebuilds the reserve; true when there is room for growth again. */
  makeRoom(engine: Engine): boolean {
    this.#giveSpaceBack(engine);
    const reserve = this.#reserve;
    if (reserve.freeBytes() < reserve.lowWaterBytes + reserve.missingBytes + this.#marginBytes) return false;
    try {
      while (!reserve.isWhole) reserve.buildStep();
    } catch {
      // Somebody else took the room, or the disk fails: the next look tries again.
      return false;
    }
    this.#unwatchedBytes = 0;
    return true;
  }

  /** Goes on when there is no room for this now: it is done at the next look. */
  unlessFull(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  /** Moving pages writes to the log, so little is moved at a time, and the log's space is given back before and after. */
  #giveSpaceBack(engine: Engine): void {
    const endMs = this.#nowMs() + GIVING_BACK_MS_MAX;
    let freePages = Number.POSITIVE_INFINITY;
    do {
      this.unlessFull(() => engine.checkpoint({ truncate: true }));
      const before = freePages;
      freePages = engine.freePages();
      if (freePages === 0 || freePages >= before) return;
      this.unlessFull(() => engine.vacuum(VACUUM_PAGES));
    } while (this.#nowMs() < endMs);
    this.unlessFull(() => engine.checkpoint({ truncate: true }));
  }
}

/** True for what SQLite and the file system say when there is no room. */
export function isFull(error: unknown): boolean {
  if (sqliteFailure(error) === 'full') return true;
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

export const LOOK_EVERY_MS = 1000;
/** A byte of a unit takes at most about this many on disk for a while: in the log, in the database, and in pages half full. */
const DISK_BYTES_PER_BYTE = 8;
const VACUUM_PAGES = 64;
/** After a group; commits wait meanwhile. */
const GIVING_BACK_MS_MAX = 10;
