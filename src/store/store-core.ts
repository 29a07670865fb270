import type { DatabaseSync } from 'node:sqlite';
import type { Timers } from '../io/io.ts';
import { Engine, type Refusals } from './engine.ts';
import { type OwnerPurpose, type OwnerRecord, ownerRecordOfThisProcess, writeOwnerRecord } from './owner-record.ts';
import type { PageReader } from './page-reader.ts';
import type { StoreCondition, StoreOpened } from './store.ts';
import { openMemoryDatabase, openStoreDirectory } from './store-directory.ts';
import type { StoredOperation } from './unit-codec.ts';

/**
 * A store without its thread boundary: opens the directory, commits groups, and keeps the condition.
 */
export class StoreCore {
  readonly opened: StoreOpened;
  readonly #options: CoreOptions;
  readonly #database: DatabaseSync;
  readonly #engine: Engine;
  readonly #owner: OwnerRecord | undefined;

  constructor(options: CoreOptions) {
    this.#options = options;
    const startedMs = options.nowMs();
    this.#database = options.memory ?? this.#openDirectory();
    this.#engine = new Engine(this.#database, options.nowMs);
    const found = this.#engine.takeOver();
    if (options.directory !== undefined) {
      this.#owner = ownerRecordOfThisProcess({ ...options, startedAtMs: options.wallNowMs() });
      writeOwnerRecord(options.directory, this.#owner);
    }
    this.opened = {
      storeId: found.storeId,
      wasClosedCleanly: found.wasClosedCleanly,
      nextSequence: found.sequenceReserved,
      places: this.#engine.readPlaces(),
      openMs: options.nowMs() - startedMs,
    };
  }

  read<T>(read: (reader: PageReader) => T): T {
    return read(this.#engine.reader);
  }

  commit(units: readonly (readonly StoredOperation[])[]): Refusals | Promise<Refusals> {
    return this.#engine.commitGroup(units, { onlyShrinking: false, freeBytes: 0 });
  }

  /** To be called when answers have been given: keeps the write-ahead log short. */
  maintain(): void {
    if (this.#engine.walFrames() > WAL_FRAMES_MAX) this.#engine.checkpoint({ truncate: false });
  }

  close(): void {
    this.#engine.markClosed();
    if (this.#options.directory === undefined) return;
    this.#engine.checkpoint({ truncate: true });
    if (this.#owner !== undefined) {
      const endedAt = new Date(this.#options.wallNowMs()).toISOString();
      writeOwnerRecord(this.#options.directory, { ...this.#owner, endedAt });
    }
    this.#database.close();
  }

  /** Lets go as a process that dies does. */
  abandon(): void {
    if (this.#options.directory !== undefined) this.#database.close();
  }

  #openDirectory(): DatabaseSync {
    const { directory } = this.#options;
    return directory === undefined
      ? openMemoryDatabase(this.#options)
      : openStoreDirectory({ ...this.#options, directory });
  }
}

export interface CoreOptions {
  /** Absent: the store lives in memory, in `memory` when that is given. */
  readonly directory?: string;
  readonly memory?: DatabaseSync;
  readonly newStoreId: string;
  readonly purpose: OwnerPurpose;
  readonly socketPath: string | undefined;
  readonly bootId: string | undefined;
  readonly synchronous: 'FULL' | 'NORMAL';
  readonly reserveBytes: number | undefined;
  readonly lowWaterBytes: number | undefined;
  readonly timers: Timers;
  nowMs(): number;
  wallNowMs(): number;
  onCondition(condition: StoreCondition): void;
}

const WAL_FRAMES_MAX = 1000;
