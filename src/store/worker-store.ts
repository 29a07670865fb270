import type { Worker } from 'node:worker_threads';
import type { Io, Timer } from '../io/io.ts';
import { Roster } from '../io/roster.ts';
import { AdmissionGate } from './admission-gate.ts';
import { fromWire } from './error-wire.ts';
import { OutcomeUnknown, StoreClosed, StoreFailed } from './errors.ts';
import { openInWorker, startWorker } from './open-in-worker.ts';
import { openWhenFree } from './open-when-free.ts';
import type { OwnerPurpose } from './owner-record.ts';
import { unpackMessages } from './page-codec.ts';
import { requireNode } from './require-node.ts';
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
import { UnitPacker } from './unit-codec.ts';
import type {
  FromWorker,
  ReadRequest,
  ReadResult,
  ToWorker,
  WireCondition,
  WorkerSettings,
} from './worker-protocol.ts';

/**
 * Opens the store of a directory, in a worker thread; makes the directory when it is not there.
 *
 * The open store keeps the process alive until `close`, as a listening server does.
 *
 * @throws {StoreOwned} somebody else holds the directory (after waiting for a CLI verb as long as `waitForOwnerMs` says)
 * @throws NodeTooOld, NotAStore, NewerStore, StoreDamaged, StoreUnreachable: nothing was changed
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  requireNode();
  const bell = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const settings: WorkerSettings = {
    bell,
    directory: options.directory,
    purpose: options.purpose ?? 'queue-manager',
    socketPath: options.socketPath,
    bootId: options.io.clock.bootId,
    newStoreId: options.io.random.uuid(),
    synchronous: options.synchronous ?? 'FULL',
    reserveBytes: options.reserveBytes,
    lowWaterBytes: options.lowWaterBytes,
  };
  const worker = startWorker();
  try {
    const opened = await openWhenFree(options, () => openInWorker(worker, settings));
    return new WorkerStore(worker, bell, options.io, opened.opened, conditionFromWire(opened.condition));
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}

export interface OpenStoreOptions {
  readonly directory: string;
  readonly io: Io;
  /** Stands in the owner record: a queue manager waits for a `cli` to end, and never the other way. */
  readonly purpose?: OwnerPurpose;
  /** Where the owner's control socket will be; stands in the owner record. */
  readonly socketPath?: string;
  /** How long to wait while a CLI verb holds the directory. Default 0. */
  readonly waitForOwnerMs?: number;
  /** Size of the file that is given up when the disk is full. Default 16 MiB, on small file systems 5 % of them. */
  readonly reserveBytes?: number;
  /** Units that grow the store are refused below this much free space. Default 64 MiB, on small file systems 5 %. */
  readonly lowWaterBytes?: number;
  /** Internal: `NORMAL` only in the test that proves that tests notice a missing sync. */
  readonly synchronous?: 'FULL' | 'NORMAL';
}

class WorkerStore implements Store {
  readonly opened: StoreOpened;
  readonly #worker: Worker;
  readonly #bell: Int32Array;
  readonly #io: Io;
  readonly #gate: AdmissionGate;
  readonly #packer = new UnitPacker();
  /** Handed over and not answered, in that order. */
  readonly #waiting: WaitingUnit[] = [];
  #batchesOnTheWay = 0;
  #isShippingSoon = false;
  #shippedThisTurn = 0;
  /** Of the batch that is being packed: units that want to be written now, and when the first of them came. */
  #urgentUnits = 0;
  #packingSinceMs = 0;
  /** Armed while units that can wait may be waiting. */
  #patience: Timer | undefined;
  /** What a COMMIT took of late, and how many units the last one had. */
  #commitMs = 0;
  #lastGroupUnits = 1;
  readonly #reads = new Roster<WaitingRead>();
  #nextReadId = 1;
  readonly #listeners: ((condition: StoreCondition) => void)[] = [];
  #condition: StoreCondition;
  #closing: Promise<void> | undefined;
  #onClosed: ((error: Error | undefined) => void) | undefined;

  constructor(worker: Worker, bell: SharedArrayBuffer, io: Io, opened: StoreOpened, condition: StoreCondition) {
    this.opened = opened;
    this.#condition = condition;
    this.#worker = worker;
    this.#bell = new Int32Array(bell);
    this.#io = io;
    this.#gate = new AdmissionGate((action) => io.timers.soon(action));
    worker.on('message', (message: FromWorker) => this.#hear(message));
    worker.on('error', (error) => this.#workerEnded(error.message));
    worker.on('exit', (code) => this.#workerEnded(`its thread ended with code ${code}`));
  }

  get condition(): StoreCondition {
    return this.#condition;
  }

  onCondition(listener: (condition: StoreCondition) => void): void {
    this.#listeners.push(listener);
  }

  admission(): Promise<void> | undefined {
    // Where nothing is taken any more, `commit` tells why.
    return this.#whyNothingIsTaken() === undefined ? this.#gate.wait() : undefined;
  }

  commit(unit: Unit): Promise<void> {
    const refusal = this.#whyNothingIsTaken();
    if (refusal !== undefined) return Promise.reject(refusal);
    let byteCount: number;
    try {
      byteCount = this.#packer.add(unit);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#gate.enter(byteCount);
    if (unit.canWait !== true) this.#shipInTime();
    else if (this.#urgentUnits === 0) this.#waitForCompany();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, byteCount });
    });
  }

  async readMessages(range: MessageRange): Promise<MessagePage> {
    const result = await this.#read({ kind: 'messages', range });
    return result as MessagePage;
  }

  async readDue(upToMs: number, countMax: number): Promise<readonly StoredMessage[]> {
    const result = await this.#read({ kind: 'due', upToMs, countMax });
    return (result as MessagePage).messages;
  }

  async nextDeadline(afterMs: number): Promise<number | undefined> {
    return (await this.#read({ kind: 'nextDeadline', afterMs })) as number | undefined;
  }

  async readState(range: StateRange): Promise<StatePage> {
    return (await this.#read({ kind: 'state', range })) as StatePage;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.#onClosed = resolve;
    this.#ship({ evenWhenBusy: true });
    this.#patience?.cancel();
    this.#gate.open();
    if (!this.#hasEnded) this.#tell({ kind: 'close' });
    else resolve(undefined);
    const error = await promise;
    await this.#worker.terminate();
    if (error !== undefined) throw error;
  }

  #hasEnded = false;

  #whyNothingIsTaken(): Error | undefined {
    if (this.#closing !== undefined) return new StoreClosed();
    if (this.#condition.state === 'failed') return new StoreFailed(this.#condition.cause.message);
    return undefined;
  }

  /**
   * Which units share a batch is a matter of the disk. With a fast one the worker should write the first units of a turn
   * while the others are still being made; with a slow one they should all share a sync. So a batch is shipped at the end
   * of a turn, or in the middle of a long one; but it waits for more, as long as more come and the last group was larger,
   * for half of what a COMMIT takes of late. Who sends one at a time waits for nothing.
   */
  #shipInTime(): void {
    if (this.#urgentUnits++ === 0) this.#packingSinceMs = this.#io.clock.monotonicNowMs();
    if (this.#batchesOnTheWay === 0 && this.#lastGroupUnits === 1) this.#ship();
    else if (this.#shippedThisTurn < SHIPPED_PER_TURN_MAX && !this.#isWorthWaiting(PACKING_MS_MIN)) {
      this.#shippedThisTurn++;
      this.#ship();
    }
    this.#shipSoon();
  }

  /** Where nobody else comes in time, those that can wait are written by themselves. */
  #waitForCompany(): void {
    this.#patience ??= this.#io.timers.after(PATIENCE_MS, () => {
      this.#patience = undefined;
      if (this.#packer.unitCount > 0) this.#shipInTime();
    });
  }

  #isWorthWaiting(leastMs: number): boolean {
    const waitMs = Math.max(leastMs, this.#commitMs / 2);
    return this.#io.clock.monotonicNowMs() - this.#packingSinceMs < waitMs;
  }

  #shipSoon(): void {
    if (this.#isShippingSoon) return;
    this.#isShippingSoon = true;
    const urgentUnits = this.#urgentUnits;
    this.#io.timers.soon(() => {
      this.#isShippingSoon = false;
      this.#shippedThisTurn = 0;
      const isGrowing = this.#urgentUnits > urgentUnits && this.#urgentUnits < this.#lastGroupUnits;
      if (isGrowing && this.#isWorthWaiting(0)) this.#shipSoon();
      else this.#ship();
    });
  }

  /** Few batches are on the way: one being written, and those that the worker finds, and joins, when it is done with that. */
  #ship({ evenWhenBusy = false } = {}): void {
    if (this.#packer.unitCount === 0) return;
    if (!evenWhenBusy && (this.#urgentUnits === 0 || this.#batchesOnTheWay >= BATCHES_MAX)) return;
    const packed = this.#packer.take();
    this.#urgentUnits = 0;
    this.#batchesOnTheWay++;
    const message: ToWorker = { kind: 'units', packed };
    this.#tell(message, [packed.buffer]);
  }

  #read(request: ReadRequest): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(new StoreClosed());
    if (this.#hasEnded) return Promise.reject(this.#whyNothingIsTaken() ?? new StoreClosed());
    const id = this.#nextReadId++;
    this.#tell({ kind: 'read', id, request });
    return new Promise((resolve, reject) => this.#reads.add({ id, resolve, reject }));
  }

  #tell(message: ToWorker, transferred: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transferred);
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'answered':
        this.#unitsAnswered(message);
        return;
      case 'readResult':
        this.#readAnswered(message.id, message.result);
        return;
      case 'condition':
        this.#become(conditionFromWire(message.condition));
        return;
      case 'closed':
        this.#onClosed?.(message.error === undefined ? undefined : fromWire(message.error));
        return;
      case 'opened':
      case 'notOpened':
        return;
      default:
        message satisfies never;
    }
  }

  #unitsAnswered(answer: FromWorker & { kind: 'answered' }): void {
    const answered = this.#waiting.splice(0, answer.unitCount);
    for (const { index, error } of answer.refusals ?? []) answered[index]?.reject(fromWire(error));
    let byteCount = 0;
    for (const unit of answered) {
      unit.resolve(); // Without effect on one that was rejected above.
      byteCount += unit.byteCount;
    }
    this.#commitMs = this.#commitMs === 0 ? answer.commitMs : this.#commitMs * 0.8 + answer.commitMs * 0.2;
    this.#lastGroupUnits = answer.unitCount;
    this.#batchesOnTheWay -= answer.buffers.length;
    for (const buffer of answer.buffers) this.#packer.recycle(buffer);
    this.#gate.leave(answer.unitCount, byteCount);
    this.#shipSoon();
  }

  #readAnswered(id: number, result: ReadResult): void {
    const waiting = this.#reads.find((read) => read.id === id);
    if (waiting === undefined) return;
    this.#reads.remove(waiting);
    switch (result.kind) {
      case 'messages':
        waiting.resolve({ messages: unpackMessages(result.buffer, result.count), isLast: result.isLast });
        return;
      case 'value':
        waiting.resolve(result.value);
        return;
      case 'failed':
        waiting.reject(fromWire(result.error));
        return;
      default:
        result satisfies never;
    }
  }

  #become(condition: StoreCondition): void {
    this.#condition = condition;
    if (condition.state === 'failed') this.#gate.open();
    for (const listener of this.#listeners) listener(condition);
  }

  /** Expected after `close`; else nobody can tell any more what became of the units on the way. */
  #workerEnded(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const reason =
      this.#closing === undefined ? `the store's worker ended unexpectedly: ${why}` : 'the store was closed';
    for (const unit of this.#waiting.splice(0)) unit.reject(new OutcomeUnknown(reason));
    for (const read of this.#reads.all()) {
      this.#reads.remove(read);
      read.reject(new StoreFailed(reason));
    }
    if (this.#closing === undefined) this.#become({ state: 'failed', cause: new StoreFailed(reason) });
    this.#onClosed?.(undefined);
  }
}

interface WaitingUnit {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly byteCount: number;
}

interface WaitingRead {
  readonly id: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const BATCHES_MAX = 4;
/** Units that can wait do so no longer. */
const PATIENCE_MS = 2;
/**
 * Answers that arrive while answers are being heard belong to the same turn for Node: with no bound, a producer that sends
 * whenever it hears one would keep timers and sockets waiting for seconds.
 */
const SHIPPED_PER_TURN_MAX = 3;
/** A shorter pack costs more in crossing over than it gains. */
const PACKING_MS_MIN = 0.1;

function conditionFromWire(condition: WireCondition): StoreCondition {
  return 'cause' in condition ? { state: condition.state, cause: fromWire(condition.cause) } : condition;
}
