import { join } from 'node:path';
import { failpoint } from '../io/failpoint.ts';
import type { SmallFile } from '../io/small-file.ts';
import { parseAddress } from '../message/address.ts';
import { invariant } from '../message/posthorn-error.ts';
import type { StatePage, StateRange, Store, StoreCondition } from '../store/store.ts';
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery, OutgoingMessage, Receiver } from '../transport/transport.ts';
import { type AcknowledgementOwner, Acknowledgements } from './acknowledgements.ts';
import { Browser } from './browser.ts';
import type { BrowsedMessage, BrowsePage, BrowseRange, TakenPage } from './browsing.ts';
import { ClockSaves } from './clock-saves.ts';
import { DeadLetters } from './dead-letters.ts';
import { DeadlineKeeper } from './deadline-keeper.ts';
import { QueueManagerClosed, QueueOnOtherMachine } from './errors.ts';
import { Expiry, type ExpiryOwner } from './expiry.ts';
import { InFlightTable } from './in-flight-table.ts';
import { isOutgoingName, MachineNames, outgoingNameOf } from './machine-names.ts';
import { ManagerQueueSide } from './manager-queue-side.ts';
import { type OpenState, readOpenState } from './open-state.ts';
import { openTransferDoor } from './open-transfer-door.ts';
import type { OutgoingOwner } from './outgoing-queue-handle.ts';
import { OutgoingQueues } from './outgoing-queues.ts';
import { purge } from './purge.ts';
import { fillOptions, type OpenOptions, type QueueManagerOptions } from './queue-manager-options.ts';
import { QueueReceiver, type ReceiverOwner } from './queue-receiver.ts';
import { QueueSet, statusOf } from './queue-set.ts';
import type { OutgoingQueueStatus, QueueSettings, QueueStatus } from './queue-status.ts';
import { Sending, type SendingOwner } from './sending.ts';
import { StartGate } from './start-gate.ts';
import { StateChange } from './state-change.ts';
import { SteadyClock } from './steady-clock.ts';
import type { TransferDoor } from './transfer-door.ts';

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
  /** Brings these queues and databases to one outcome; does nothing before an endpoint uses a database. */
  readonly coordinator: TransactionCoordinator;
  readonly #owner: QueueManagerOwner;
  readonly #store: Store;
  readonly #clock: SteadyClock;
  readonly #clockSaves: ClockSaves;
  readonly #names: MachineNames;
  readonly #queues: QueueSet;
  readonly #outgoing: OutgoingQueues;
  readonly #acknowledgements: Acknowledgements;
  readonly #deadLetters: DeadLetters;
  readonly #gate: StartGate;
  readonly #inFlight: InFlightTable;
  readonly #sending: Sending;
  readonly #expiry: Expiry;
  readonly #deadlines: DeadlineKeeper;
  readonly #browser: Browser;
  readonly #receiverOwner: ReceiverOwner;
  readonly #onFailure: (error: unknown, doing: string) => void;
  readonly #beforeClose: (() => Promise<void>)[] = [];
  readonly #openedMs: number;
  #nextSequence: number;
  #closing: Promise<void> | undefined;
  #hasTransfer = false;

  private constructor(options: OpenOptions, store: Store, inFlight: SmallFile, state: OpenState) {
    this.machine = state.machine;
    this.directory = options.directory;
    this.storeId = store.opened.storeId;
    this.#store = store;
    this.#onFailure = options.onFailure;
    this.#openedMs = options.io.clock.monotonicNowMs();
    this.#nextSequence = store.opened.nextSequence;
    this.#clock = new SteadyClock(options.io.clock, state.clock);
    this.#clockSaves = new ClockSaves(this.#clock);
    this.#names = new MachineNames(state.machine, options.aliases);
    const owner = this.#makeOwner(options);
    this.#owner = owner;
    // Before any queue is known: an outgoing one has its pins locked in the turn in which it is.
    this.#outgoing = new OutgoingQueues(store, owner, state.pins);
    this.#queues = new QueueSet(store, state, {
      outgoingFound: (queue) => this.#outgoing.add(queue),
      notMade: (queue, error) => this.#onFailure(error, `making queue '${queue}'`),
    });
    this.#acknowledgements = new Acknowledgements(this.#queues, owner);
    this.#deadLetters = new DeadLetters(this.#queues, owner);
    this.#inFlight = new InFlightTable(inFlight, state.generation);
    this.#gate = new StartGate(() => this.#signalAll());
    this.#sending = new Sending(this.#queues, owner);
    this.#expiry = new Expiry(store, this.#queues, owner);
    this.#browser = new Browser(store, this.#queues, {
      ...owner,
      wallMsOf: (steadyMs) => this.#clock.wallMsOf(steadyMs),
    });
    this.#receiverOwner = this.#makeReceiverOwner();
    // In the turn in which the queues are known: what transactions have staged is locked from here on.
    const side = new ManagerQueueSide(store, this.#queues, state.transactions, {
      ...owner,
      machine: this.machine,
      begin: () => this.#begin(),
    });
    this.coordinator = options.makeCoordinator({ side, io: options.io, logger: options.logger });
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

  /** The queues of this machine, live, in name order. */
  status(): readonly QueueStatus[] {
    const local = [...this.#queues.all()].filter((queue) => !queue.isOutgoing);
    return local.map(statusOf).sort((one, other) => (one.queue < other.queue ? -1 : 1));
  }

  /** What waits here for queues of other machines, live, in name order. */
  outgoingStatus(): readonly OutgoingQueueStatus[] {
    return this.#outgoing.status();
  }

  /** True for this machine's name and its aliases, in any case, and for no name. */
  isHere(machine: string | undefined): boolean {
    return this.#names.isHere(machine);
  }

  get storeCondition(): StoreCondition {
    return this.#store.condition;
  }

  /** Of this machine; or, with `queue@machine` of another, its outgoing queue. */
  hasQueue(queue: string): boolean {
    return this.#queues.get(this.#nameOf(queue)) !== undefined;
  }

  /**
   * Makes the queue if it does not exist; with `settings`, replaces its settings. `queue@machine` of another machine is the
   * outgoing queue, with limits and a journal of its own.
   *
   * @throws {InvalidAddress} the name is not one
   */
  async declareQueue(name: string, settings?: QueueSettings): Promise<void> {
    this.#requireOpen();
    const queue = await this.#queues.ensure(this.#names.queueNameOf(parseAddress(name)));
    if (settings !== undefined) await this.#queues.configure(queue, settings);
  }

  begin(): UnitOfWork {
    this.#requireOpen();
    return this.#begin();
  }

  admission(): Promise<void> | undefined {
    return this.#store.admission();
  }

  /**
   * With `work`: the messages leave when it commits. Without: resolves when they are durable, all or none.
   *
   * @throws {PosthornError} MESSAGE_TOO_LARGE, QUEUE_FULL, TOO_MANY_QUEUES, STORE_FULL, …: nothing was sent
   */
  async send(messages: readonly OutgoingMessage[], work?: UnitOfWork): Promise<void> {
    const ownWork = work === undefined ? this.begin() : undefined;
    const target = work ?? (ownWork as UnitOfWork);
    const enlisting = this.#sending.send(messages, target);
    if (enlisting !== undefined) await enlisting;
    if (ownWork !== undefined) await ownWork.commit();
  }

  /**
   * Makes the queue if it does not exist.
   *
   * @throws {QueueOnOtherMachine} only the transfer takes messages out of an outgoing queue
   */
  async openReceiver(name: string): Promise<Receiver> {
    this.#requireOpen();
    const address = parseAddress(name);
    if (!this.isHere(address.machine)) throw new QueueOnOtherMachine(name, this.machine);
    return new QueueReceiver(await this.#queues.ensure(address.queue), this.#receiverOwner);
  }

  /** The queue manager in the hands of the transfer between machines, once. */
  transferDoor(options: { readonly missingQueueGraceMs: number }): TransferDoor {
    invariant(!this.#hasTransfer, 'a queue manager has one transfer');
    this.#hasTransfer = true;
    return openTransferDoor(this, {
      ...this.#owner,
      ...options,
      openForMs: () => this.#owner.clock.monotonicNowMs() - this.#openedMs,
      storeCondition: () => this.#store.condition,
      store: this.#store,
      queues: this.#queues,
      outgoing: this.#outgoing,
      begin: () => this.#begin(),
    });
  }

  /** One page of messages, seen without receiving them. */
  browse(range: BrowseRange): Promise<BrowsePage> {
    return this.#browser.browse({ ...range, queue: this.#nameOf(range.queue) });
  }

  /** Locks the messages of one page that `accept` wants; each is to be completed in a unit of work, or released. */
  takePage(range: BrowseRange, accept: (message: BrowsedMessage) => boolean): Promise<TakenPage> {
    return this.#browser.takePage({ ...range, queue: this.#nameOf(range.queue) }, accept);
  }

  /** Tells who asked that these messages, taken out of a queue and completed with `work`, were purged. */
  notePurged(deliveries: readonly Delivery[], work: UnitOfWork): void {
    for (const { headers, queue } of deliveries) {
      const what = isOutgoingName(queue) ? 'NACK_PURGED' : 'NACK_Q_PURGED';
      this.#acknowledgements.tell(headers, what, queue, work);
    }
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

  /** Also while it closes: the transfer settles what is under way before the store is closed. */
  #begin(): UnitOfWork {
    const work = new UnitOfWork(this.#store);
    this.#clockSaves.joinWhenDue(work);
    return work;
  }

  async #close(): Promise<void> {
    await this.coordinator.stop();
    for (const action of this.#beforeClose) await action();
    await this.#deadlines.stop();
    if (this.#store.condition.state === 'ready') {
      await this.#store.commit({ operations: [this.#clockSaves.operation()] });
    }
    this.#inFlight.remove();
    failpoint('close.before-store-closed');
    await this.#store.close();
  }

  #makeOwner({ io, bodyBytesMax }: OpenOptions): QueueManagerOwner {
    return {
      names: this.#names,
      random: io.random,
      clock: io.clock,
      bodyBytesMax,
      acknowledge: (headers, what, queue, work) => this.#acknowledgements.tell(headers, what, queue, work),
      deadLetter: (letter, work) => this.#deadLetters.enlist(letter, work),
      nowMs: () => this.#clock.nowMs(),
      nextSequence: () => this.#nextSequence++,
      highestSequence: () => this.#nextSequence - 1,
      heldPlace: () => this.#queues.heldPlace(),
      deadlineSet: (deadlineMs) => this.#deadlines.deadlineSet(deadlineMs),
      failed: (error, doing) => this.#onFailure(error, doing),
      later: (action) => void io.timers.after(AGAIN_AFTER_MS, action),
    };
  }

  #makeReceiverOwner(): ReceiverOwner {
    return {
      ...this.#owner,
      gate: this.#gate,
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
      purge: (queue) => purge(queue.name, this),
    };
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

  /** An operator writes machine names in any case. */
  #nameOf(queue: string): string {
    if (!isOutgoingName(queue)) return queue;
    // An outgoing queue that is there is meant, even when its machine's name has become one of ours.
    const outgoing = outgoingNameOf(parseAddress(queue));
    return this.#queues.get(outgoing) === undefined ? this.#names.queueNameOf(parseAddress(queue)) : outgoing;
  }

  #signalAll(): void {
    for (const queue of this.#queues.all()) queue.signal();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new QueueManagerClosed(this.directory);
  }
}

/** What the parts of a queue manager need of it. */
interface QueueManagerOwner extends SendingOwner, ExpiryOwner, OutgoingOwner, AcknowledgementOwner {}

/** After a read, or a unit that nobody waits for, has failed. */
const AGAIN_AFTER_MS = 1_000;
