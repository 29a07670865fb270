import type { Io } from '../../src/io/io.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';
import { type DirectStore, MemoryDisk, openDirectStore } from '../../src/store/direct-store.ts';
import { openMemoryDatabase } from '../../src/store/store-directory.ts';
import { MemoryFile } from '../../src/testing/memory-file.ts';
import type { SimulatedIo } from '../../src/testing/simulated-io.ts';
import { type StoreWatcher, WatchedStore } from '../../src/testing/watched-store.ts';

/**
 * A computer in memory whose disk can be copied, put back and replaced, as an administrator does with backups. Several of
 * them share one world of time and chance.
 */
export class MemoryMachine {
  readonly name: string;
  readonly world: SimulatedIo;
  #answerUnits: StoreWatcher['commit'] = (_unit, commit) => commit();
  readonly #watcher: StoreWatcher = {
    opened: async () => undefined,
    commit: (unit, commit) => this.#answerUnits(unit, commit),
  };
  #unanswered = 0;
  #disk = new MemoryDisk();
  #inFlight = new MemoryFile();
  #life: Life | undefined;

  constructor(name: string, world: SimulatedIo) {
    this.name = name;
    this.world = world;
  }

  /** Doors of the process that runs now; shut when it dies. */
  get io(): Io {
    return this.#life?.io ?? this.world;
  }

  /** Grows with everything that is asked of the store or answered by it. */
  get activity(): number {
    return this.#life?.store?.activity ?? 0;
  }

  get onTheWay(): number {
    return this.#life?.isAlive === true ? (this.#life.store?.onTheWay ?? 0) - this.#unanswered : 0;
  }

  /** Stands in for the store's answers to units; also in the processes to come. */
  answerUnits(answer: StoreWatcher['commit']): void {
    this.#answerUnits = answer;
  }

  /** An answer that this process does not live to hear. */
  never(): Promise<void> {
    this.#unanswered++;
    return new Promise(() => undefined);
  }

  async open(options: { readonly bodyBytesMax?: number } = {}): Promise<QueueManager> {
    const life = new Life(this.world);
    this.#unanswered = 0;
    this.#life = life;
    return await QueueManager.open({
      directory: `/in-memory/${this.name}`,
      machine: this.name,
      io: life.io,
      openInFlightFile: () => this.#inFlight.open(),
      openStore: () => life.openStore(this.#disk, this.#watcher),
      onFailure: () => undefined,
      ...options,
    });
  }

  /** Kills the process; of what was not synced chance decides. */
  crash(): void {
    this.#life?.die(this.world);
  }

  /** The content of the disk as it is now, units under way left out. */
  backUp(): Uint8Array {
    const { database } = this.#disk;
    if (database === undefined) throw new Error('nothing was ever stored on this disk');
    return database.serialize();
  }

  /** Only while no process runs. */
  restore(content: Uint8Array): void {
    this.#disk = new MemoryDisk();
    this.#disk.database = openMemoryDatabase({ newStoreId: 'replaced at once' });
    this.#disk.database.deserialize(content);
    this.#inFlight = new MemoryFile();
  }

  /** A new, empty disk. Only while no process runs. */
  replaceDisk(): void {
    this.#disk = new MemoryDisk();
    this.#inFlight = new MemoryFile();
  }
}

class Life {
  readonly io: Io;
  isAlive = true;
  store: WatchedStore | undefined;
  #inner: DirectStore | undefined;

  constructor(world: SimulatedIo) {
    const whileAlive = (action: () => void) => (): void => {
      if (this.isAlive) action();
    };
    this.io = {
      clock: world.clock,
      random: world.random,
      timers: {
        after: (delayMs, action) => world.timers.after(delayMs, whileAlive(action)),
        soon: (action) => world.timers.soon(whileAlive(action)),
      },
    };
  }

  async openStore(disk: MemoryDisk, watcher: StoreWatcher): Promise<WatchedStore> {
    this.#inner = await openDirectStore({ io: this.io, disk });
    await watcher.opened(this.#inner);
    this.store = new WatchedStore(this.#inner, watcher);
    return this.store;
  }

  die(world: SimulatedIo): void {
    this.isAlive = false;
    this.#inner?.crash(world.random);
  }
}
