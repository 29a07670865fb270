import { nodeIo } from '../io/node-io.ts';
import { QueueManager, type QueueManagerOptions } from '../queues/queue-manager.ts';
import { type DirectStore, MemoryDisk, openDirectStore } from '../store/direct-store.ts';
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
  readonly io: SimulatedIo;
  readonly #watcher: StoreWatcher;
  readonly #disk = new MemoryDisk();
  readonly #inFlight = new MemoryFile();
  #inner: DirectStore | undefined;
  #store: WatchedStore | undefined;
  #activityBefore = 0;

  constructor(options: TestMachineOptions = {}) {
    this.name = options.name ?? 'test';
    this.io = new SimulatedIo(options);
    this.#watcher = options.watcher ?? { commit: (_unit, commit) => commit() };
  }

  /** Starts a process: the queue manager, on what the disk holds. */
  openQueueManager(options: Pick<QueueManagerOptions, 'onFailure' | 'bodyBytesMax'> = {}): Promise<QueueManager> {
    return QueueManager.open({
      directory: `/in-memory/${this.name}`,
      machine: this.name,
      io: this.io,
      openInFlightFile: () => this.#inFlight.open(),
      openStore: async () => {
        this.#activityBefore += this.#store?.activity ?? 0;
        this.#inner = await openDirectStore({ io: this.io, disk: this.#disk });
        this.#store = new WatchedStore(this.#inner, this.#watcher);
        return this.#store;
      },
      ...options,
    });
  }

  /**
   * Kills the process: all memory and every timer is gone. What was synced is on the disk, and of what was handed over
   * and not synced a part that chance decides. Whoever waits for the dead process waits for ever.
   */
  crash(): void {
    this.#inner?.crash(this.io.random);
    this.#activityBefore += this.#store?.activity ?? 0;
    this.#inner = undefined;
    this.#store = undefined;
    this.io.timers.clear();
  }

  /** Units and reads that the store has not answered. */
  get onTheWay(): number {
    return this.#store?.onTheWay ?? 0;
  }

  /** Waits until the store has answered everything and nothing new was asked for in several turns of the event loop. */
  async settle(): Promise<void> {
    for (let stillTurns = 0; stillTurns < STILL_TURNS; ) {
      const before = this.activity;
      await nextTurn();
      stillTurns = this.onTheWay === 0 && this.activity === before ? stillTurns + 1 : 0;
    }
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
    clock.advance(untilMs - clock.monotonicNowMs());
  }

  /** Grows with everything that is asked of the store or answered by it. */
  get activity(): number {
    return this.#activityBefore + (this.#store?.activity ?? 0);
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

/** A handler that awaits something already settled goes on within a turn; a chain of a few steps takes a few. */
const STILL_TURNS = 4;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => nodeIo().timers.soon(resolve));
}
