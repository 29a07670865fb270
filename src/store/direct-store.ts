import type { DatabaseSync } from 'node:sqlite';
import type { Io, Random } from '../io/io.ts';
import { AdmissionGate } from './admission-gate.ts';
import { StoreClosed, StoreFailed } from './errors.ts';
import { openWhenFree } from './open-when-free.ts';
import type { OwnerPurpose } from './owner-record.ts';
import type { PageReader } from './page-reader.ts';
import type {
  MessagePage,
  MessageRange,
  StatePage,
  StateRange,
  Store,
  StoreCondition,
  StoredMessage,
  StoreOpened,
  Unit,
} from './store.ts';
import { StoreCore } from './store-core.ts';
import { openMemoryDatabase } from './store-directory.ts';
import { UnitPacker, UnitReader } from './unit-codec.ts';

/**
 * The same store on the calling thread, for tests and the simulator: in memory, or in a directory. All its delays come
 * from `io`, so that a run with simulated doors repeats exactly.
 *
 * `crash` ends it as the death of the process would: what was synced is there, of what was handed over and not synced a random prefix.
 */
export async function openDirectStore(options: DirectStoreOptions): Promise<DirectStore> {
  const { clock, timers, random } = options.io;
  const directStore = (): DirectStore =>
    new DirectStore(options, (onCondition) => {
      const newStoreId = random.uuid();
      if (options.disk !== undefined) options.disk.database ??= openMemoryDatabase({ newStoreId });
      return new StoreCore({
        ...(options.directory === undefined ? {} : { directory: options.directory }),
        ...(options.disk?.database === undefined ? {} : { memory: options.disk.database }),
        purpose: options.purpose ?? 'queue-manager',
        socketPath: options.socketPath,
        bootId: clock.bootId,
        newStoreId,
        synchronous: 'FULL',
        reserveBytes: options.reserveBytes,
        lowWaterBytes: options.lowWaterBytes,
        timers,
        nowMs: () => clock.monotonicNowMs(),
        wallNowMs: () => clock.wallNowMs(),
        onCondition,
      });
    });
  return openWhenFree(options, async () => directStore());
}

export interface DirectStoreOptions {
  readonly io: Io;
  /** Absent: in memory, gone with the store, unless `disk` is given. */
  readonly directory?: string;
  /** Keeps the content in memory over `close` and `crash`. */
  readonly disk?: MemoryDisk;
  readonly purpose?: OwnerPurpose;
  readonly socketPath?: string;
  readonly waitForOwnerMs?: number;
  readonly reserveBytes?: number;
  readonly lowWaterBytes?: number;
  /** How long the next sync takes. Absent: the end of the turn of the event loop. */
  readonly nextSyncMs?: () => number;
}

/** A disk without a disk: give the same one to the next `openDirectStore` to find what was stored. */
export class MemoryDisk {
  database: DatabaseSync | undefined;
}

export class DirectStore implements Store {
  readonly opened: StoreOpened;
  readonly #options: DirectStoreOptions;
  readonly #core: StoreCore;
  readonly #gate: AdmissionGate;
  readonly #packer = new UnitPacker();
  #waiting: WaitingUnit[] = [];
  #isFlushing = false;
  #isCrashed = false;
  readonly #listeners: ((condition: StoreCondition) => void)[] = [];
  #condition: StoreCondition = { state: 'ready' };
  #closing: Promise<void> | undefined;

  /** Use `openDirectStore`. */
  constructor(options: DirectStoreOptions, openCore: (onCondition: (condition: StoreCondition) => void) => StoreCore) {
    this.#options = options;
    this.#gate = new AdmissionGate((action) => options.io.timers.soon(action));
    this.#core = openCore((condition) => this.#become(condition));
    this.opened = this.#core.opened;
  }

  get condition(): StoreCondition {
    return this.#condition;
  }

  onCondition(listener: (condition: StoreCondition) => void): void {
    this.#listeners.push(listener);
  }

  admission(): Promise<void> | undefined {
    // Where nothing is taken any more, `commit` tells why.
    return this.#closing === undefined && this.#condition.state !== 'failed' ? this.#gate.wait() : undefined;
  }

  commit(unit: Unit): Promise<void> {
    if (this.#isCrashed) return NEVER;
    if (this.#closing !== undefined) return Promise.reject(new StoreClosed());
    if (this.#condition.state === 'failed') return Promise.reject(new StoreFailed(this.#condition.cause.message));
    let byteCount: number;
    try {
      byteCount = this.#packer.add(unit);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#gate.enter(byteCount);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ resolve, reject, byteCount });
    this.#flushSoon();
    return promise;
  }

  readMessages(range: MessageRange): Promise<MessagePage> {
    return this.#read((reader) => reader.readMessages(range));
  }

  readDue(upToMs: number, countMax: number): Promise<readonly StoredMessage[]> {
    return this.#read((reader) => reader.readDue(upToMs, countMax));
  }

  nextDeadline(afterMs: number): Promise<number | undefined> {
    return this.#read((reader) => reader.nextDeadline(afterMs));
  }

  readState(range: StateRange): Promise<StatePage> {
    return this.#read((reader) => reader.readState(range));
  }

  close(): Promise<void> {
    this.#closing ??= this.#isCrashed ? Promise.resolve() : this.#close();
    return this.#closing;
  }

  /**
   * Ends the store as the death of its process would. What was synced is there; of the units that were handed over and
   * not synced a random prefix is there too. Nobody who waits gets an answer any more.
   */
  crash(random: Random): void {
    if (this.#isCrashed || this.#closing !== undefined) return;
    this.#isCrashed = true;
    const packed = this.#packer.take();
    const reader = new UnitReader(packed);
    const survivorCount = Math.floor(random.fraction() * (packed.unitCount + 1));
    const survivors = Array.from({ length: survivorCount }, () => reader.next());
    if (survivorCount > 0) void this.#core.commit(survivors, reader.offset);
    this.#core.abandon();
  }

  async #close(): Promise<void> {
    const everything = this.#waiting.at(-1);
    this.#gate.open();
    if (everything !== undefined) {
      await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    }
    if (!this.#isCrashed) this.#core.close();
  }

  readonly #whenIdle: (() => void)[] = [];

  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const { timers } = this.#options.io;
    const syncMs = this.#options.nextSyncMs?.();
    const flush = (): void => void this.#flush();
    if (syncMs === undefined) timers.soon(flush);
    else timers.after(syncMs, flush, { keepsProcessAlive: true });
  }

  /** One group: everything that was handed over until the sync "started", which here is when it ends. */
  async #flush(): Promise<void> {
    if (this.#core.recovery !== undefined) await this.#core.recovery;
    if (this.#isCrashed) return;
    const packed = this.#packer.take();
    const reader = new UnitReader(packed);
    const units = Array.from({ length: packed.unitCount }, () => reader.next());
    const waiting = this.#waiting;
    this.#waiting = [];
    const answer = this.#core.commit(units, packed.byteCount);
    const refusals = answer instanceof Promise ? await answer : answer;
    if (this.#isCrashed) return;
    let byteCount = 0;
    for (const [index, unit] of waiting.entries()) {
      const refusal = refusals.get(index);
      if (refusal === undefined) unit.resolve();
      else unit.reject(refusal);
      byteCount += unit.byteCount;
    }
    this.#isFlushing = false;
    this.#gate.leave(waiting.length, byteCount);
    this.#core.maintain();
    if (this.#waiting.length > 0) this.#flushSoon();
    else for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Answered in a later turn of the promise queue, as one that comes from a worker is. */
  async #read<T>(read: (reader: PageReader) => T): Promise<T> {
    if (this.#isCrashed) return NEVER;
    if (this.#closing !== undefined) throw new StoreClosed();
    while (this.#core.recovery !== undefined) await this.#core.recovery;
    return this.#isCrashed ? NEVER : this.#core.read(read);
  }

  #become(condition: StoreCondition): void {
    this.#condition = condition;
    if (condition.state === 'failed') this.#gate.open();
    for (const listener of this.#listeners) listener(condition);
  }
}

interface WaitingUnit {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly byteCount: number;
}

/** What a process that died answers. */
const NEVER: Promise<never> = new Promise(() => {});
