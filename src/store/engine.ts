import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { failpoint } from '../io/failpoint.ts';
import { InvariantBroken, invariant, type PosthornError } from '../message/posthorn-error.ts';
import { StoreFull, UnitContradictsStore } from './errors.ts';
import { PageReader } from './page-reader.ts';
import { readPragma } from './schema.ts';
import type { StoredOperation } from './unit-codec.ts';
import { Changes, UnitWriter } from './unit-writer.ts';

/**
 * The logic of the store on an open database: groups of units in, bounded pages out. Synchronous and without any
 * thread, so that the worker, the tests and the simulator run the same code.
 *
 * A group is one transaction and one sync. When a unit of it contradicts what is stored, the group is rolled back and
 * done again with a savepoint per unit, so that only that unit is refused; this path is slow and never taken by
 * correct callers. Failures of the disk are thrown as SQLite's errors: the owner of the engine (store-core.ts) knows
 * what to do then.
 */
export class Engine {
  readonly reader: PageReader;
  readonly #database: DatabaseSync;
  readonly #writer: UnitWriter;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #writeProgress: StatementSync;
  readonly #walFrames: StatementSync;
  /** The refused units of the group whose commit threw last: when it turns out to be there, they still are refused. */
  refusalsOfFailedGroup: Refusals = NO_REFUSALS;
  #unitSerial: number;
  #sequenceReserved: number;
  #sequenceMax = 0;
  #commitMs = 0;
  readonly #nowMs: () => number;

  constructor(database: DatabaseSync, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
    this.reader = new PageReader(database, nowMs);
    this.#writer = new UnitWriter(
      database,
      this.reader.readPlaces().map(({ place }) => place),
    );
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#writeProgress = database.prepare('UPDATE tally SET first = ?, second = ? WHERE place = 0');
    this.#walFrames = database.prepare('PRAGMA wal_checkpoint = NOOP');
    this.#walFrames.setReturnArrays(true);
    const progress = readProgress(database);
    this.#unitSerial = progress.unitSerial;
    this.#sequenceReserved = progress.sequenceReserved;
  }

  /** Counts every unit that was ever handed over here, refused ones included. */
  get unitSerial(): number {
    return this.#unitSerial;
  }

  /** How long the last COMMIT took: writing the log and its sync. */
  get commitMs(): number {
    return this.#commitMs;
  }

  /** Marks the database as in use; the answer is what the last owner left. */
  takeOver(): Progress {
    const found = readProgress(this.#database);
    this.#database.exec('UPDATE progress SET epoch = epoch + 1, closed_cleanly = 0');
    return { ...found, epoch: found.epoch + 1 };
  }

  /**
   * Commits the units as one transaction and returns those that were refused, by index. Throws when the disk fails;
   * then nothing of the group is there, or, after a failed sync, nobody knows yet.
   */
  commitGroup(units: readonly (readonly StoredOperation[])[], options: GroupOptions): Refusals {
    if (units.every((operations) => operations.length === 0)) {
      this.#unitSerial += units.length;
      return NO_REFUSALS;
    }
    failpoint('store.before-apply');
    if (options.onlyShrinking) return this.#commitOneByOne(units, options);
    const changes = new Changes();
    this.refusalsOfFailedGroup = NO_REFUSALS;
    this.#begin.run();
    try {
      for (const operations of units) this.#writer.apply(operations, changes);
      this.#finish(changes, units.length);
      return NO_REFUSALS;
    } catch (error) {
      this.#rollBack(changes);
      if (!(error instanceof UnitContradictsStore)) throw error;
    }
    return this.#commitOneByOne(units, options);
  }

  #commitOneByOne(units: readonly (readonly StoredOperation[])[], options: GroupOptions): Refusals {
    const refusals = new Map<number, PosthornError>();
    const changes = new Changes();
    this.#begin.run();
    try {
      for (const [index, operations] of units.entries()) {
        const refusal = this.#tryUnit(operations, changes, options);
        if (refusal !== undefined) refusals.set(index, refusal);
      }
      this.refusalsOfFailedGroup = refusals;
      this.#finish(changes, units.length);
      return refusals;
    } catch (error) {
      this.#rollBack(changes);
      throw error;
    }
  }

  #tryUnit(
    operations: readonly StoredOperation[],
    groupChanges: Changes,
    options: GroupOptions,
  ): PosthornError | undefined {
    const changes = new Changes();
    this.#database.exec('SAVEPOINT unit');
    let refusal: PosthornError | undefined;
    try {
      this.#writer.apply(operations, changes);
      if (options.onlyShrinking && !changes.shrinks) refusal = new StoreFull(options.freeBytes);
    } catch (error) {
      if (!(error instanceof UnitContradictsStore)) {
        this.#writer.forget(changes);
        throw error;
      }
      refusal = error;
    }
    if (refusal === undefined) {
      groupChanges.add(changes);
    } else {
      this.#writer.forget(changes);
      this.#database.exec('ROLLBACK TO unit');
    }
    this.#database.exec('RELEASE unit');
    return refusal;
  }

  /** Counts, progress, and the commit itself, which syncs. */
  #finish(changes: Changes, unitCount: number): void {
    this.#writer.writeChanges(changes);
    const sequenceMax = Math.max(this.#sequenceMax, changes.sequenceMax);
    const sequenceReserved =
      sequenceMax > this.#sequenceReserved - SEQUENCE_BLOCK / 2 ? sequenceMax + SEQUENCE_BLOCK : this.#sequenceReserved;
    this.#writeProgress.run(this.#unitSerial + unitCount, sequenceReserved);
    failpoint('store.applied-before-commit');
    const startedMs = this.#nowMs();
    this.#commit.run();
    this.#commitMs = this.#nowMs() - startedMs;
    failpoint('store.committed-before-answer');
    this.#unitSerial += unitCount;
    this.#sequenceMax = sequenceMax;
    this.#sequenceReserved = sequenceReserved;
  }

  #rollBack(changes?: Changes): void {
    if (changes !== undefined) this.#writer.forget(changes);
    // SQLite has rolled back by itself after some failures of the disk.
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
  }

  /** Frames in the write-ahead log that are not yet in the database file. */
  walFrames(): number {
    const row = this.#walFrames.get() as unknown as readonly [number, number, number];
    return row[1] - row[2];
  }

  /** Copies the write-ahead log into the database file; `truncate` also gives its space back. */
  checkpoint(options: { readonly truncate: boolean }): void {
    const mode = options.truncate ? 'TRUNCATE' : 'PASSIVE';
    failpoint('store.before-checkpoint');
    const row = this.#database.prepare(`PRAGMA wal_checkpoint(${mode})`).get();
    failpoint('store.after-checkpoint');
    // Nobody else reads this database, so nothing can be in the way of its own checkpoint.
    invariant(row?.busy === 0, 'a checkpoint meets no other reader');
  }

  /** Pages that hold nothing and can be given back to the file system. */
  freePages(): number {
    return readPragma(this.#database, 'freelist_count');
  }

  /** Moves at most this many pages from the end of the file into free ones and cuts the file. */
  vacuum(pageCountMax: number): void {
    this.#database.exec(`PRAGMA incremental_vacuum(${pageCountMax})`);
  }

  /** Remembers that nothing was on the way, and where sequences go on without a gap. */
  markClosed(): void {
    const next = this.#sequenceMax === 0 ? this.#sequenceReserved : this.#sequenceMax + 1;
    this.#begin.run();
    try {
      this.#writeProgress.run(this.#unitSerial, next);
      this.#database.exec('UPDATE progress SET closed_cleanly = 1');
      this.#commit.run();
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }
}

export interface GroupOptions {
  /** Refuse units that grow the store, with `freeBytes` in the text. */
  readonly onlyShrinking: boolean;
  readonly freeBytes: number;
}

export type Refusals = ReadonlyMap<number, PosthornError>;

export interface Progress {
  readonly storeId: string;
  readonly epoch: number;
  readonly unitSerial: number;
  /** Above every sequence that may be in use. */
  readonly sequenceReserved: number;
  readonly wasClosedCleanly: boolean;
}

export function readProgress(database: DatabaseSync): Progress {
  const row = database.prepare('SELECT * FROM progress JOIN tally ON place = 0 WHERE one = 1').get();
  if (row === undefined) throw new InvariantBroken('a store has its row of progress');
  return {
    storeId: String(row.store_id),
    epoch: Number(row.epoch),
    unitSerial: Number(row.first),
    sequenceReserved: Number(row.second),
    wasClosedCleanly: row.closed_cleanly === 1,
  };
}

const NO_REFUSALS: Refusals = new Map();
/** Sequences are reserved this many ahead, so that their mark is rarely written and never reused after a crash. */
const SEQUENCE_BLOCK = 1_000_000;
