import { DatabaseSync } from 'node:sqlite';
import { MemoryDisk } from '../../src/store/direct-store.ts';
import { MemoryFile } from '../../src/testing/memory-file.ts';
import { StoreHistory } from './store-history.ts';

/** The directory of one queue manager: it outlives processes, and operators lose, replace, restore and copy it. */
export class SimulatedDisk {
  memory = new MemoryDisk();
  inFlight = new MemoryFile();
  history: StoreHistory;
  /** How long a sync takes when nothing is wrong. */
  readonly usualSyncMs: number;
  /** How long the next syncs take. */
  syncMs: () => number;

  constructor(lineage: number, usualSyncMs: number) {
    this.history = new StoreHistory(lineage);
    this.usualSyncMs = usualSyncMs;
    this.syncMs = () => usualSyncMs;
  }

  /** Nothing is wrong with it any more. */
  beQuick(): void {
    this.syncMs = () => this.usualSyncMs;
  }

  /** The serial of the last unit that is on the disk. */
  get unitSerial(): number {
    const row = this.memory.database?.prepare('SELECT first FROM tally WHERE place = 0').get();
    return Number(row?.first ?? 0);
  }

  backUp(): DiskBackup {
    const { database } = this.memory;
    return { bytes: database?.serialize(), history: this.history.copy(this.history.lineage) };
  }

  restore(backup: DiskBackup, lineage: number): void {
    this.memory = new MemoryDisk();
    if (backup.bytes !== undefined) {
      const database = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false });
      database.deserialize(backup.bytes);
      this.memory.database = database;
    }
    this.inFlight = new MemoryFile();
    this.history = backup.history.copy(lineage);
  }

  lose(lineage: number): void {
    this.memory = new MemoryDisk();
    this.inFlight = new MemoryFile();
    this.history = new StoreHistory(lineage);
  }
}

export interface DiskBackup {
  readonly bytes: Uint8Array | undefined;
  readonly history: StoreHistory;
}
