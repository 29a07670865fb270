import type { DatabaseSync } from 'node:sqlite';
import { failpoint } from '../io/failpoint.ts';
import type { CoreOptions } from './core-options.ts';
import { DiskReserve } from './disk-reserve.ts';
import { DiskRoom, isFull, LOOK_EVERY_MS } from './disk-room.ts';
import { Engine, type GroupOptions, type Refusals } from './engine.ts';
import {
  OutcomeUnknown,
  StoreDamaged,
  StoreError,
  StoreFailed,
  StoreFull,
  StoreReadFailed,
  StoreSyncFailed,
  StoreUnreachable,
} from './errors.ts';
import { Housekeeping } from './housekeeping.ts';
import { type OwnerRecord, ownerRecordOfThisProcess, writeOwnerRecord } from './owner-record.ts';
import type { PageReader } from './page-reader.ts';
import { closeQuietly, reopenStore } from './reopen-store.ts';
import { sqliteFailure } from './sqlite-failure.ts';
import type { StoreCondition, StoreOpened } from './store.ts';
import { openMemoryDatabase, openStoreDirectory } from './store-directory.ts';
import type { StoredOperation } from './unit-codec.ts';

/**
 * A store without its thread boundary: opens the directory, commits groups, and keeps the condition.
 *
 *     ready ──little space, or SQLITE_FULL──▶ full ──space is back and the reserve whole──▶ ready
 *       │                                      │
 *       └──────a write or a sync failed────────┴──▶ recovering ──reopened and checkpointed──▶ ready
 *                                                       └──all tries failed──▶ failed
 *     any ──the database is damaged──▶ failed
 *
 * What holds:
 * - While `recovering`, nobody is answered. Which units are there is told by the serial of the last unit on disk; the epoch
 *   tells whether somebody else opened the directory meanwhile: then nobody can tell, and the store fails.
 * - After a failed sync nothing is written through the same descriptor: the kernel may have dropped what it could not write.
 * - A failure inside a checkpoint is treated like a failed commit that nobody waits for.
 * - While `full`, each group that shrinks the store is followed by giving its space back to the file system.
 */
export class StoreCore {
  readonly opened: StoreOpened;
  readonly #options: CoreOptions;
  readonly #room: DiskRoom | undefined;
  readonly #housekeeping: Housekeeping | undefined;
  readonly #owner: OwnerRecord | undefined;
  readonly #epoch: number;
  #database: DatabaseSync;
  #engine: Engine;
  #condition: StoreCondition = { state: 'ready' };
  #recovery: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(options: CoreOptions) {
    this.#options = options;
    const startedMs = options.nowMs();
    this.#database = options.memory ?? this.#openDatabase();
    try {
      this.#engine = new Engine(this.#database, options.nowMs);
      if (options.directory !== undefined) {
        const { directory } = options;
        const reserve = new DiskReserve(directory, options);
        this.#owner = ownerRecordOfThisProcess({ ...options, startedAtMs: options.wallNowMs() });
        this.#housekeeping = new Housekeeping({
          ...options,
          reserve,
          runGuarded: (step) => this.#guard(() => step(this.#engine)),
        });
        this.#room = new DiskRoom(reserve, { ...options, logBytesMax: this.#housekeeping.logBytesMax });
        this.#withRoom(() => writeOwnerRecord(directory, this.#ownerRecord()));
      }
      const found = this.#withRoom(() => this.#engine.takeOver());
      this.#epoch = found.epoch;
      this.opened = {
        storeId: found.storeId,
        wasClosedCleanly: found.wasClosedCleanly,
        nextSequence: found.sequenceReserved,
        places: this.#engine.reader.readPlaces(),
        openMs: options.nowMs() - startedMs,
      };
    } catch (error) {
      this.#letGo();
      if (error instanceof StoreError) throw error;
      if (sqliteFailure(error) === 'damaged') throw this.#damage(error);
      throw new StoreUnreachable(options.directory ?? 'memory', messageOf(error));
    }
  }

  get condition(): StoreCondition {
    return this.#condition;
  }

  /** Set while the store is being reopened: nothing may be asked of it before this has settled. */
  get recovery(): Promise<unknown> | undefined {
    return this.#recovery;
  }

  /** See Engine. */
  get commitMs(): number {
    return this.#engine.commitMs;
  }

  read<T>(read: (reader: PageReader) => T): T {
    if (!this.#database.isOpen) throw this.#whyFailed();
    try {
      return read(this.#engine.reader);
    } catch (error) {
      if (sqliteFailure(error) === undefined) throw error;
      if (sqliteFailure(error) !== 'damaged') throw new StoreReadFailed(messageOf(error));
      const damage = this.#damage(error);
      this.#become({ state: 'failed', cause: damage });
      throw damage;
    }
  }

  /** Commits the units as one group and returns the refused ones; a promise when the disk failed and must be looked at. */
  commit(units: Units, byteCount: number): Refusals | Promise<Refusals> {
    if (this.#condition.state === 'failed') return refuseAll(units, this.#whyFailed());
    if (this.#condition.state === 'ready' && this.#room?.isScarceAfter(byteCount)) this.#enterFull();
    try {
      return this.#engine.commitGroup(units, this.#groupOptions());
    } catch (error) {
      return this.#afterFailedCommit(units, error);
    }
  }

  /** To be called after a group, when its answers are on their way. */
  maintain(): void {
    if (this.#condition.state === 'full') this.#guard(() => this.#tryToLeaveFull());
    else if (this.#condition.state === 'ready') this.#guard(() => this.#housekeeping?.afterGroup(this.#engine));
  }

  /** Nothing may be on the way. Throws when the disk fails; the directory is let go even then. */
  close(): void {
    if (this.#isClosed) return;
    try {
      if (this.#condition.state === 'failed') return;
      const { directory } = this.#options;
      // On a full disk the next opening finds a log to copy and no mark; nothing is missing.
      const unlessFull = (work: () => void): void => (this.#room === undefined ? work() : this.#room.unlessFull(work));
      unlessFull(() => this.#engine.markClosed());
      if (directory === undefined) return;
      failpoint('close.before-final-checkpoint');
      unlessFull(() => this.#engine.checkpoint({ truncate: true }));
      failpoint('close.after-final-checkpoint');
      this.#markOwnerEnded(directory);
    } catch (error) {
      if (sqliteFailure(error) === undefined) throw error;
      throw new StoreFailed(`the disk failed while it was closed (${messageOf(error)}); every answered unit is in it`);
    } finally {
      this.#letGo();
    }
  }

  /** Lets go as a process that dies does: nothing is marked. */
  abandon(): void {
    this.#letGo();
  }

  #markOwnerEnded(directory: string): void {
    try {
      const endedAt = new Date(this.#options.wallNowMs()).toISOString();
      writeOwnerRecord(directory, { ...this.#ownerRecord(), endedAt });
    } catch {
      // The record only explains, and a process that is gone makes it stale by itself; the content is safe.
    }
  }

  #letGo(): void {
    this.#isClosed = true;
    this.#housekeeping?.stop();
    if (this.#options.directory !== undefined) closeQuietly(this.#database);
  }

  #openDatabase(): DatabaseSync {
    const { directory } = this.#options;
    return directory === undefined
      ? openMemoryDatabase(this.#options)
      : openStoreDirectory({ ...this.#options, directory });
  }

  #ownerRecord(): OwnerRecord {
    return this.#owner ?? ownerRecordOfThisProcess({ ...this.#options, startedAtMs: this.#options.wallNowMs() });
  }

  #become(condition: StoreCondition): void {
    if (this.#condition.state === 'failed') return;
    this.#condition = condition;
    if (condition.state === 'failed') this.#housekeeping?.stop();
    this.#options.onCondition(condition);
  }

  #whyFailed(): StoreFailed {
    return new StoreFailed('cause' in this.#condition ? this.#condition.cause.message : 'it is closed');
  }

  #damage(error: unknown): StoreDamaged {
    return new StoreDamaged(this.#options.directory ?? 'memory', messageOf(error));
  }

  #afterFailedCommit(units: Units, error: unknown): Refusals | Promise<Refusals> {
    switch (sqliteFailure(error)) {
      case undefined:
        throw error;
      case 'damaged': {
        const damage = this.#damage(error);
        this.#become({ state: 'failed', cause: damage });
        return refuseAll(units, damage);
      }
      case 'full':
        return this.#commitOnFullDisk(units);
      default:
        return this.#startRecovery(units, error);
    }
  }

  /** SQLite itself ran out of space: the reserve is given up, and only what shrinks the store still goes in. */
  #commitOnFullDisk(units: Units): Refusals | Promise<Refusals> {
    try {
      this.#giveUpReserve();
      return this.#engine.commitGroup(units, this.#groupOptions());
    } catch (error) {
      if (sqliteFailure(error) !== 'full') return this.#afterFailedCommit(units, error);
      return refuseAll(units, new StoreFull(this.#freeBytes()));
    }
  }

  #groupOptions(): GroupOptions {
    return this.#condition.state === 'full'
      ? { onlyShrinking: true, freeBytes: this.#condition.freeBytes }
      : { onlyShrinking: false, freeBytes: 0 };
  }

  #enterFull(): void {
    if (this.#condition.state === 'full') return;
    this.#become({ state: 'full', freeBytes: this.#freeBytes() });
    this.#lookAgainLater();
  }

  #freeBytes(): number {
    return this.#room?.freeBytes() ?? 0;
  }

  #giveUpReserve(): void {
    this.#room?.giveUpReserve(this.#engine);
    this.#enterFull();
  }

  #lookAgainLater(): void {
    this.#options.timers.after(LOOK_EVERY_MS, () => {
      if (this.#isClosed || this.#condition.state !== 'full') return;
      this.#guard(() => this.#tryToLeaveFull());
      if (this.#condition.state === 'full') this.#lookAgainLater();
    });
  }

  #tryToLeaveFull(): void {
    if (this.#room?.makeRoom(this.#engine)) this.#become({ state: 'ready' });
  }

  /** Runs what opening writes, once more without the reserve when the disk is full. */
  #withRoom<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#giveUpReserve();
    }
    try {
      return write();
    } catch (error) {
      throw isFull(error) ? new StoreFull(this.#freeBytes()) : error;
    }
  }

  /** Runs housekeeping; a failure of the disk in it starts a recovery that nobody waits for. */
  #guard<T>(work: () => T): T | undefined {
    if (this.#isClosed || this.#recovery !== undefined || this.#condition.state === 'failed') return undefined;
    try {
      return work();
    } catch (error) {
      if (sqliteFailure(error) === 'full') this.#enterFull();
      else void this.#afterFailedCommit([], error);
      return undefined;
    }
  }

  #startRecovery(units: Units, error: unknown): Promise<Refusals> {
    const { promise, resolve, reject } = Promise.withResolvers<Refusals>();
    // Set before anybody hears of it: what listeners ask for has to wait.
    this.#recovery = promise;
    this.#recover(units, messageOf(error)).then(resolve, reject);
    return promise.finally(() => {
      this.#recovery = undefined;
    });
  }

  async #recover(units: Units, why: string): Promise<Refusals> {
    this.#become({ state: 'recovering', cause: new StoreSyncFailed(why) });
    const serialOfLast = this.#engine.unitSerial + units.length;
    const refused = this.#engine.refusalsOfFailedGroup;
    closeQuietly(this.#database);
    const again = await reopenStore({
      ...this.#options,
      directory: this.#options.directory ?? 'memory',
      epoch: this.#epoch,
      open: () => this.#openDatabase(),
      isClosed: () => this.#isClosed,
      onFull: (engine) => this.#room?.giveUpReserve(engine),
    });
    if (again instanceof StoreError) {
      this.#openForReading();
      this.#become({ state: 'failed', cause: again });
      return refuseAll(units, new OutcomeUnknown(again.message));
    }
    this.#database = again.database;
    this.#engine = again.engine;
    this.#become({ state: 'ready' });
    return this.#engine.unitSerial >= serialOfLast ? refused : refuseAll(units, new StoreSyncFailed(why));
  }

  /** A store that takes nothing any more may still be read, if the disk lets it. */
  #openForReading(): void {
    if (this.#isClosed) return;
    try {
      this.#database = this.#openDatabase();
      this.#engine = new Engine(this.#database, this.#options.nowMs);
    } catch {
      // Reads are answered with STORE_FAILED then, which names the first cause.
    }
  }
}

type Units = readonly (readonly StoredOperation[])[];

function refuseAll(
  units: Units,
  error: StoreFull | StoreFailed | StoreDamaged | StoreSyncFailed | OutcomeUnknown,
): Refusals {
  return new Map(units.map((_, index) => [index, error]));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
