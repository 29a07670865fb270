import type { DatabaseSync } from 'node:sqlite';
import type { Timers } from '../io/io.ts';
import { Engine, readProgress } from './engine.ts';
import { StoreDamaged, StoreFailed } from './errors.ts';
import { sqliteFailure } from './sqlite-failure.ts';

/**
 * Opens a store again after its disk failed: a descriptor that saw a failed sync is never used to sync again, because the
 * kernel may have dropped what it could not write and would call the next sync a success.
 *
 * Tried five times in five seconds; a disk that needs longer needs a person. Done means: the whole write-ahead log
 * is in the database file, synced, and nobody else opened the directory meanwhile (its epoch would tell).
 */
export async function reopenStore(options: ReopenOptions): Promise<OpenedAgain | StoreFailed | StoreDamaged> {
  let lastFailure = 'it was closed meanwhile';
  for (const delayMs of REOPEN_DELAYS_MS) {
    await new Promise<void>((resolve) => options.timers.after(delayMs, resolve, { keepsProcessAlive: true }));
    if (options.isClosed()) break;
    let database: DatabaseSync | undefined;
    try {
      database = options.open();
      if (readProgress(database).epoch !== options.epoch) {
        closeQuietly(database);
        return new StoreFailed('another process opened the directory while the store was being reopened');
      }
      const engine = new Engine(database, options.nowMs);
      copyLog(engine, options);
      return { database, engine };
    } catch (error) {
      closeQuietly(database);
      if (error instanceof StoreDamaged) return error;
      if (sqliteFailure(error) === 'damaged') return new StoreDamaged(options.directory, messageOf(error));
      lastFailure = messageOf(error);
    }
  }
  return new StoreFailed(`the disk failed and the store could not be reopened (${lastFailure})`);
}

export interface ReopenOptions {
  readonly directory: string;
  readonly timers: Timers;
  /** The number of this opening; another one on disk means that somebody was here. */
  readonly epoch: number;
  nowMs(): number;
  open(): DatabaseSync;
  isClosed(): boolean;
  /** The disk has no room even for copying the log. */
  onFull(engine: Engine): void;
}

export interface OpenedAgain {
  readonly database: DatabaseSync;
  readonly engine: Engine;
}

function copyLog(engine: Engine, options: ReopenOptions): void {
  try {
    engine.checkpoint({ truncate: true });
  } catch (error) {
    if (sqliteFailure(error) !== 'full') throw error;
    options.onFull(engine);
    engine.checkpoint({ truncate: true });
  }
}

/** For a database whose disk has failed already: that failure is the one that is reported. */
export function closeQuietly(database: DatabaseSync | undefined): void {
  try {
    if (database?.isOpen) database.close();
  } catch {
    // See above.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const REOPEN_DELAYS_MS = [100, 400, 1000, 1500, 2000];
