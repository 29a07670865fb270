import type { Io } from '../io/io.ts';
import { nodeIo } from '../io/node-io.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import type { QueueManagerOptions } from '../queues/queue-manager-options.ts';
import { type DirectStore, MemoryDisk, openDirectStore } from '../store/direct-store.ts';
import { BusNotQuiet } from './errors.ts';
import { MemoryFile } from './memory-file.ts';
import { SimulatedIo } from './simulated-io.ts';
import { type StoreWatcher, WatchedStore } from './watched-store.ts';

/**
 * A computer in memory: a disk that outlives its processes, a clock that stands still until it is moved, and the real
 * queue manager on both. One process at a time runs on it.
 *
 *     off ──openQueueManager()──▶ running ──manager.close() or crash()──▶ off
 */
export class TestMachine {
  readonly name: string;
  /** The world: what time it is, and what chance decides. */
  readonly io: SimulatedIo;
  readonly #watcher: StoreWatcher;
  readonly #disk = new MemoryDisk();
  readonly #inFlight = new MemoryFile();
  #process: TestProcess | undefined;
  #activityBefore = 0;

  constructor(options: TestMachineOptions = {}) {
    this.name = options.name ?? 'test';
    this.io = new SimulatedIo(options);
    this.#watcher = options.watcher ?? { opened: async () => undefined, commit: (_unit, commit) => commit() };
  }

  /** Starts a process: the queue manager, on what the disk holds. */
  openQueueManager(
    options: Pick<QueueManagerOptions, 'onFailure' | 'bodyBytesMax' | 'aliases' | 'makeCoordinator'> = {},
  ): Promise<QueueManager> {
    this.#activityBefore += this.#process?.store?.activity ?? 0;
    const process = new TestProcess(this.io);
    this.#process = process;
    return QueueManager.open({
      directory: `/in-memory/${this.name}`,
      machine: this.name,
      io: process.io,
      openInFlightFile: () => this.#inFlight.open(),
      openStore: () => process.openStore(this.#disk, this.#watcher),
      ...options,
    });
  }

  /** The doors of the process that runs now: they are shut when it dies. */
  get processIo(): Io {
    return this.#process?.io ?? this.io;
  }

  /**
   * Kills the process: all memory and every timer is gone. What was synced is on the disk, and of what was handed over
   * and not synced a part that chance decides. Whoever waits for the dead process waits for ever.
   */
  crash(): void {
    this.#process?.die(this.io);
    this.io.timers.clear();
  }

  /** Grows with everything that is asked of the store or answered by it. */
  get activity(): number {
    return this.#activityBefore + (this.#process?.store?.activity ?? 0);
  }

  /**
   * Waits until the store has answered everything and nothing new was asked for in several turns of the event loop.
   *
   * @throws {BusNotQuiet} that did not happen in 10 seconds of real time
   */
  async settle(): Promise<void> {
    if (!(await this.trySettle(SETTLE_MS_MAX))) throw new BusNotQuiet([], SETTLE_MS_MAX);
  }

  /** As `settle`; false when `limitMs` of real time went by first. */
  async trySettle(limitMs: number): Promise<boolean> {
    const { clock } = nodeIo();
    const untilMs = clock.monotonicNowMs() + limitMs;
    for (let stillTurns = 0; stillTurns < STILL_TURNS; ) {
      const before = this.activity;
      await nextTurn();
      const onTheWay = this.#process?.isAlive === true ? (this.#process.store?.onTheWay ?? 0) : 0;
      stillTurns = onTheWay === 0 && this.activity === before ? stillTurns + 1 : 0;
      if (clock.monotonicNowMs() > untilMs) return false;
    }
    return true;
  }

  /** Lets time pass: every timer that becomes due runs at its own time, and what it begins settles before the next. */
  async advance(byMs: number): Promise<void> {
    const { clock, timers } = this.io;
    const untilMs = clock.monotonicNowMs() + byMs;
    await this.settle();
    for (let dueMs = timers.nextDueMs; dueMs !== undefined && dueMs <= untilMs; dueMs = timers.nextDueMs) {
      clock.advance(Math.max(0, dueMs - clock.monotonicNowMs()));
      timers.runDue();
      await this.settle();
    }
    clock.advance(Math.max(0, untilMs - clock.monotonicNowMs()));
  }
}

export interface TestMachineOptions {
  /** Name of the machine, as in `queue@machine`. Default `test`. */
  readonly name?: string;
  /** Of everything that chance decides. Default 1. */
  readonly seed?: number;
  /** Unix time to begin at. Default 2030-01-01T00:00:00Z. */
  readonly wallMs?: number;
  readonly watcher?: StoreWatcher;
}

/** What dies in a crash. Its code may still stand on the stack of a test; its doors are shut. */
class TestProcess {
  readonly io: Io;
  store: WatchedStore | undefined;
  isAlive = true;
  #inner: DirectStore | undefined;

  constructor(world: SimulatedIo) {
    const whileAlive = (action: () => void) => (): void => {
      if (this.isAlive) action();
    };
    this.io = {
      clock: world.clock,
      random: world.random,
      timers: {
        after: (delayMs, action) => (this.isAlive ? world.timers.after(delayMs, action) : { cancel: () => undefined }),
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

/** A handler that awaits something already settled goes on within a turn; a chain of a few steps takes a few. */
const STILL_TURNS = 4;
/** By a real clock; a machine that is busy for so long sends messages round in circles. */
const SETTLE_MS_MAX = 10_000;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => nodeIo().timers.soon(resolve));
}
