import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { failpoint } from '../io/failpoint.ts';
import type { Io } from '../io/io.ts';
import { nodeIo } from '../io/node-io.ts';
import { openSmallFile, type SmallFile } from '../io/small-file.ts';
import { parseAddress } from '../message/address.ts';
import { MESSAGE_BODY_BYTES_MAX } from '../message/limits.ts';
import type { StatePage, StateRange, Store, StoreCondition } from '../store/store.ts';
import { type OpenStoreOptions, openStore } from '../store/worker-store.ts';
import { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { OutgoingMessage, Receiver } from '../transport/transport.ts';
import { Browser } from './browser.ts';
import type { BrowsedMessage, BrowsePage, BrowseRange, TakenPage } from './browsing.ts';
import { DeadlineKeeper } from './deadline-keeper.ts';
import { QueueManagerClosed } from './errors.ts';
import { Expiry } from './expiry.ts';
import { IN_FLIGHT_FILE_BYTES_MAX, InFlightTable } from './in-flight-table.ts';
import { CLOCK_SAVE_INTERVAL_MS } from './limits.ts';
import { CLOCK_KEY, type OpenState, readOpenState } from './open-state.ts';
import type { Queue } from './queue.ts';
import { QueueReceiver, type ReceiverOwner } from './queue-receiver.ts';
import { QueueSet, statusOf } from './queue-set.ts';
import type { QueueSettings, QueueStatus } from './queue-status.ts';
import { Sending } from './sending.ts';
import { StartGate } from './start-gate.ts';
import { StateChange } from './state-change.ts';
import { SteadyClock } from './steady-clock.ts';

/**
 * Owns one directory: its queues, and everything that moves messages into, within and out of them on this machine.
 *
 * Every change is a unit of work that commits durably or not at all. Receive locks live in memory: they die with the
 * process, and then every message is in its place again. An idle queue manager does nothing: no polling, one timer at most.
 */
export class QueueManager implements AsyncDisposable {
  readonly machine: string;
  readonly directory: string;
  readonly storeId: string;
  readonly #io: Io;
  readonly #store: Store;
  readonly #clock: SteadyClock;
  readonly #queues: QueueSet;
  readonly #gate: StartGate;
  readonly #inFlight: InFlightTable;
  readonly #sending: Sending;
  readonly #expiry: Expiry;
  readonly #deadlines: DeadlineKeeper;
  readonly #browser: Browser;
  readonly #receiverOwner: ReceiverOwner;
  readonly #onFailure: (error: unknown, doing: string) => void;
  readonly #beforeClose: (() => Promise<void>)[] = [];
  #nextSequence: number;
  #clockSavedMs = 0;
  #closing: Promise<void> | undefined;

  private constructor(options: OpenOptions, store: Store, inFlight: SmallFile, state: OpenState) {
    this.machine = state.machine;
    this.directory = options.directory;
    this.storeId = store.opened.storeId;
    this.#io = options.io;
    this.#store = store;
    this.#onFailure = options.onFailure;
    this.#nextSequence = store.opened.nextSequence;
    this.#clock = new SteadyClock(options.io.clock, state.clock);
    this.#queues = new QueueSet(store, state);
    this.#inFlight = new InFlightTable(inFlight, state.generation);
    this.#gate = new StartGate(() => this.#signalAll());
    const owner = {
      machine: this.machine,
      bodyBytesMax: options.bodyBytesMax,
      nowMs: () => this.#clock.nowMs(),
      nextSequence: () => this.#nextSequence++,
      deadlineSet: (deadlineMs: number) => this.#deadlines.deadlineSet(deadlineMs),
      send: (messages: readonly OutgoingMessage[], work: UnitOfWork) => this.send(messages, work),
    };
    this.#sending = new Sending(this.#queues, owner);
    this.#expiry = new Expiry(store, this.#queues, owner);
    this.#browser = new Browser(store, this.#queues, owner.deadlineSet);
    this.#receiverOwner = this.#makeReceiverOwner();
    this.#deadlines = new DeadlineKeeper({
      store,
      timers: options.io.timers,
      nowMs: owner.nowMs,
      handleDue: (due) => this.#expiry.handleDue(due),
      onFailure: (error) => this.#onFailure(error, 'releasing delayed and expired messages'),
    });
    store.onCondition((condition) => this.#storeChanged(condition));
  }

  /**
   * Opens the directory, making it when it does not exist, and becomes its owner.
   *
   * @throws {PosthornError} STORE_OWNED with the owner's pid, and what else the store answers
   */
  static async open(options: QueueManagerOptions): Promise<QueueManager> {
    const filled = fillOptions(options);
    const { directory, io, purpose, waitForOwnerMs, socketPath } = filled;
    const store = await filled.openStore({
      directory,
      io,
      purpose,
      waitForOwnerMs,
      ...(socketPath !== undefined && { socketPath }),
    });
    try {
      const file = filled.openInFlightFile(join(directory, 'in-flight'));
      const state = await readOpenState(store, file.found, filled);
      const manager = new QueueManager(filled, store, file, state);
      manager.#deadlines.start();
      return manager;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Live, in name order. */
  status(): readonly QueueStatus[] {
    return [...this.#queues.all()].map(statusOf).sort((one, other) => (one.queue < other.queue ? -1 : 1));
  }

  get storeCondition(): StoreCondition {
    return this.#store.condition;
  }

  hasQueue(queue: string): boolean {
    return this.#queues.get(queue) !== undefined;
  }

  /**
   * Makes the queue if it does not exist; with `settings`, replaces its settings.
   *
   * @throws {InvalidAddress} the name is not one
   */
  async declareQueue(name: string, settings?: QueueSettings): Promise<void> {
    this.#requireOpen();
    const { queue: checkedName } = parseAddress(name);
    const queue = await this.#queues.ensure(checkedName);
    if (settings !== undefined) await this.#queues.configure(queue, settings);
  }

  begin(): UnitOfWork {
    this.#requireOpen();
    const work = new UnitOfWork(this.#store);
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#clockSavedMs >= CLOCK_SAVE_INTERVAL_MS) {
      this.#clockSavedMs = nowMs;
      work.enlist(new StateChange(CLOCK_KEY, JSON.stringify(this.#clock.save())));
    }
    return work;
  }

  admission(): Promise<void> | undefined {
    return this.#store.admission();
  }

  /**
   * With `work`: the messages leave when it commits. Without: resolves when they are durable, all or none.
   *
   * @throws {PosthornError} MESSAGE_TOO_LARGE, QUEUE_FULL, NO_ROUTE_TO_MACHINE, STORE_FULL, …: nothing was sent
   */
  async send(messages: readonly OutgoingMessage[], work?: UnitOfWork): Promise<void> {
    const ownWork = work === undefined ? this.begin() : undefined;
    const target = work ?? (ownWork as UnitOfWork);
    const enlisting = this.#sending.send(messages, target);
    if (enlisting !== undefined) await enlisting;
    if (ownWork !== undefined) await ownWork.commit();
  }

  /** Makes the queue if it does not exist. */
  async openReceiver(name: string): Promise<Receiver> {
    this.#requireOpen();
    return new QueueReceiver(await this.#queues.ensure(parseAddress(name).queue), this.#receiverOwner);
  }

  /** One page of messages, seen without receiving them. */
  browse(range: BrowseRange): Promise<BrowsePage> {
    return this.#browser.browse(range);
  }

  /** Locks the messages of one page that `accept` wants; each is to be completed in a unit of work, or released. */
  takePage(range: BrowseRange, accept: (message: BrowsedMessage) => boolean): Promise<TakenPage> {
    return this.#browser.takePage(range, accept);
  }

  readState(range: StateRange): Promise<StatePage> {
    return this.#store.readState(range);
  }

  /** Writes key-value state with the unit; `undefined` deletes. */
  setState(work: UnitOfWork, key: string, value: string | undefined): void {
    work.enlist(new StateChange(key, value));
  }

  /** No message that is in a queue now has a higher sequence. */
  highestSequence(): number {
    return this.#nextSequence - 1;
  }

  /** Runs before the store is closed, last added first. */
  beforeClose(action: () => Promise<void>): void {
    this.#beforeClose.unshift(action);
  }

  /** Waits for what is on its way and releases the directory. May be called twice. Stop endpoints first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const action of this.#beforeClose) await action();
    await this.#deadlines.stop();
    if (this.#store.condition.state === 'ready') {
      const value = JSON.stringify(this.#clock.save());
      await this.#store.commit({ operations: [{ kind: 'setState', key: CLOCK_KEY, value }] });
    }
    this.#inFlight.remove();
    failpoint('close.before-store-closed');
    await this.#store.close();
  }

  #makeReceiverOwner(): ReceiverOwner {
    return {
      gate: this.#gate,
      nowMs: () => this.#clock.nowMs(),
      nextSequence: () => this.#nextSequence++,
      deadlineSet: (deadlineMs) => this.#deadlines.deadlineSet(deadlineMs),
      hasFreeSlot: () => this.#inFlight.hasFreeSlot,
      enter: (queue, position) => this.#inFlight.enter(queue.waiting.id, position),
      noteStarts: () => this.#inFlight.flush(),
      left: (slot) => {
        this.#inFlight.leave(slot);
        this.#gate.ended();
      },
      cleared: (slot) => {
        this.#inFlight.clear(slot);
        this.#gate.ended();
      },
      purge: (queue) => this.#purge(queue),
    };
  }

  async #purge(queue: Queue): Promise<number> {
    let purgedCount = 0;
    for (const kind of ['queue', 'delayed'] as const) {
      let afterPosition: number | undefined;
      for (let isLast = false; !isLast; ) {
        const range = {
          queue: queue.name,
          kind,
          countMax: PURGE_PAGE,
          ...(afterPosition !== undefined && { afterPosition }),
        };
        const page = await this.takePage(range, () => true);
        const work = this.begin();
        for (const { delivery } of page.taken) delivery.complete(work);
        failpoint('purge.before-page');
        await work.commit();
        failpoint('purge.after-page');
        purgedCount += page.taken.length;
        afterPosition = page.lastPosition ?? afterPosition;
        isLast = page.isLast;
      }
    }
    return purgedCount;
  }

  #storeChanged(condition: StoreCondition): void {
    switch (condition.state) {
      case 'ready':
        // After a failed sync only the disk knows what is there: heads are read again. Locks stay with who holds them.
        for (const queue of this.#queues.all()) queue.reread();
        return;
      case 'recovering':
      case 'failed':
        this.#onFailure(condition.cause, 'writing to the store');
        return;
      case 'full':
        return;
      default:
        condition satisfies never;
    }
  }

  #signalAll(): void {
    for (const queue of this.#queues.all()) queue.signal();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new QueueManagerClosed(this.directory);
  }
}

const PURGE_PAGE = 256;

export interface QueueManagerOptions {
  /** Where everything durable lies; made when it does not exist. One owner at a time. */
  readonly directory: string;
  /** Name of this machine, as in `queue@machine`. Default: the name it had before, at first the host name. */
  readonly machine?: string;
  /** Largest body of a message in bytes. Default 4 MiB. */
  readonly bodyBytesMax?: number;
  /** Told of failures that no caller waits for; they are tried again. Default: a process warning. */
  readonly onFailure?: (error: unknown, doing: string) => void;
  /** Doors to time and chance; default: the real ones. */
  readonly io?: Io;
  /** `cli` for a verb that opens the directory for one page of work. */
  readonly purpose?: 'queue-manager' | 'cli';
  /** How long to wait for a CLI verb that has the directory to finish its page. Default 10,000 ms. */
  readonly waitForOwnerMs?: number;
  /** Path of the control socket, written into the owner record. */
  readonly socketPath?: string;
  /** The store to use; default: SQLite in a worker thread. */
  readonly openStore?: (options: OpenStoreOptions) => Promise<Store>;
  readonly openInFlightFile?: (path: string) => SmallFile;
}

/** The options with their defaults filled in. */
type OpenOptions = Required<Omit<QueueManagerOptions, 'machine' | 'socketPath'>> & {
  /** As asked for; the directory keeps the name it was made with. */
  readonly machine: string | undefined;
  readonly hostName: string;
  readonly socketPath: string | undefined;
};

function fillOptions(options: QueueManagerOptions): OpenOptions {
  return {
    machine: options.machine,
    hostName: hostname(),
    bodyBytesMax: options.bodyBytesMax ?? MESSAGE_BODY_BYTES_MAX,
    onFailure: options.onFailure ?? warn,
    io: options.io ?? nodeIo(),
    purpose: options.purpose ?? 'queue-manager',
    waitForOwnerMs: options.waitForOwnerMs ?? 10_000,
    socketPath: options.socketPath,
    openStore: options.openStore ?? openStore,
    openInFlightFile: options.openInFlightFile ?? ((path) => openSmallFile(path, IN_FLIGHT_FILE_BYTES_MAX)),
    directory: resolve(options.directory),
  };
}

function warn(error: unknown, doing: string): void {
  const text = error instanceof Error ? error.message : String(error);
  process.emitWarning(`While ${doing}: ${text}`, { type: 'PosthornWarning' });
}
