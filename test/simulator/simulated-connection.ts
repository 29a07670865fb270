import { type Connection, type ConnectionHandlers, NetworkFailure } from '../../src/io/network.ts';
import { type Internet, type PacketFate, reset } from './internet.ts';
import type { SimulatedHost } from './simulated-host.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { Event } from './world.ts';

/**
 * One end of a connection: what was written here arrives at the other end in order, in pieces, after a while, or not at all.
 *
 * As the real one: bytes that the system took are gone from `waitingBytes` though they may never arrive; a lost packet
 * is sent again with growing pauses, and nobody is told for a quarter of an hour; a host that does not know the connection
 * answers with a reset; a reader that pauses fills the window and stops the writer.
 */
export class SimulatedConnection implements Connection {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly localPort: number;
  readonly remotePort: number;
  readonly isEncrypted: boolean;
  readonly certificateNames: readonly string[];
  readonly host: SimulatedHost;
  readonly process: SimulatedProcess;
  readonly isDialer: boolean;
  /** Bytes that arrived here. */
  receivedBytes = 0;
  writtenBytes = 0;
  waitingBytesMax = 0;
  /** After so many bytes have arrived here, the connection is reset. */
  resetAfterBytes = Number.POSITIVE_INFINITY;
  other: SimulatedConnection | undefined;
  /** A router between has forgotten it: nothing of it passes any more, either way, and nobody says so. */
  isForgotten = false;
  readonly #internet: Internet;
  readonly #boot: number;
  readonly #isCut: boolean;
  #handlers: ConnectionHandlers | undefined;
  #early: Uint8Array[] = [];
  #earlyClose: { readonly failure: NetworkFailure | undefined } | undefined;
  #isReadingPaused = false;
  #isEnding = false;
  #isClosed = false;
  /** Handed over and not taken by the system. */
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  #needsDrain = false;
  /** Taken by the system, on the wire in order. */
  readonly #wire: Piece[] = [];
  #wireBytes = 0;
  #wireTimer: Event | undefined;
  #retryMs = RETRY_MS_MIN;
  #stuckSinceMs: number | undefined;
  /** Arrived, and not read because reading is paused. */
  readonly #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #finArrived = false;

  constructor(internet: Internet, end: ConnectionEnd) {
    this.#internet = internet;
    this.localAddress = end.localAddress;
    this.remoteAddress = end.remoteAddress;
    this.localPort = end.localPort;
    this.remotePort = end.remotePort;
    this.isEncrypted = end.isEncrypted;
    this.certificateNames = end.certificateNames;
    this.host = end.host;
    this.process = end.process;
    this.isDialer = end.isDialer;
    this.#boot = end.host.boot;
    this.#isCut = internet.world.random.fraction() < internet.manners.cutRate;
    internet.connections.add(this);
  }

  get waitingBytes(): number {
    return this.#outboxBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  write(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isEnding || bytes.byteLength === 0) return;
    this.#internet.watcher.written(this, bytes);
    this.writtenBytes += bytes.byteLength;
    this.#outbox.push(bytes);
    this.#outboxBytes += bytes.byteLength;
    // Node tells of `drain` only after a write beyond the high-water mark.
    if (this.#outboxBytes >= HIGH_WATER_BYTES) this.#needsDrain = true;
    this.#pump();
    this.waitingBytesMax = Math.max(this.waitingBytesMax, this.#outboxBytes);
  }

  listen(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    const early = this.#early;
    this.#early = [];
    const earlyClose = this.#earlyClose;
    if (early.length === 0 && earlyClose === undefined) return;
    this.#internet.world.soon(() =>
      this.process.run(() => {
        for (const bytes of early) this.#handlers?.onBytes(bytes);
        if (earlyClose !== undefined) this.#tellClosed(earlyClose.failure);
      }),
    );
  }

  pause(): void {
    this.#isReadingPaused = true;
  }

  resume(): void {
    if (!this.#isReadingPaused) return;
    this.#isReadingPaused = false;
    this.#internet.world.soon(() => this.process.run(() => this.#read()));
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#pump();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#outbox = [];
    this.#outboxBytes = 0;
    if (!this.#isEnding) this.#put(undefined);
    this.#isEnding = true;
    this.#close(undefined);
  }

  keepProcessAlive(): void {}

  /** The process died: its system says so to the other side, unless it is off. */
  ownerDied(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outbox = [];
    this.#outboxBytes = 0;
    if (!this.host.isOn) {
      this.#forgetWire();
      this.#internet.connections.delete(this);
      return;
    }
    if (this.#internet.world.random.fraction() < 0.5) this.#put(undefined);
    else this.sendReset();
  }

  /** Breaks both ends at once, as a middle box does. */
  breakBoth(): void {
    this.other?.receiveReset('the connection was reset by the network');
    this.receiveReset('the connection was reset by the network');
  }

  /** One reset packet; it may be lost. */
  sendReset(): void {
    this.#forgetWire();
    const { world } = this.#internet;
    const fate = this.#fate();
    const { other } = this;
    if (fate.kind === 'lost' || other === undefined || fate.at !== other.host) return;
    world.at(this.#internet.delayMs(this.host, fate.at, 0), () => other.receiveReset('read ECONNRESET'));
  }

  receiveReset(text: string): void {
    if (this.#isClosed || !this.#isKnownToSystem) return;
    this.#forgetWire();
    this.#close(reset(text));
  }

  #fate(): PacketFate {
    if (this.isForgotten || this.other?.isForgotten === true) return { kind: 'lost' };
    return this.#internet.send(this.host, this.localAddress, this.remoteAddress);
  }

  get #isKnownToSystem(): boolean {
    return this.host.isOn && this.host.boot === this.#boot;
  }

  /** Moves what was written to the wire, as far as the window of the other side goes. */
  #pump(): void {
    while (this.#outbox.length > 0 && this.#wireBytes + (this.other?.unreadBytes ?? 0) < WINDOW_BYTES) {
      const first = this.#outbox[0] as Uint8Array;
      const byteCount = Math.min(first.byteLength, this.#pieceBytes());
      if (byteCount === first.byteLength) this.#outbox.shift();
      else this.#outbox[0] = first.subarray(byteCount);
      this.#outboxBytes -= byteCount;
      this.#wireBytes += byteCount;
      this.#put(first.slice(0, byteCount));
    }
    if (this.#outbox.length > 0) return;
    if (this.#needsDrain) {
      this.#needsDrain = false;
      this.#internet.world.soon(() =>
        this.process.run(() => (this.#isClosed ? undefined : this.#handlers?.onDrained?.())),
      );
    }
    if (this.#isEnding && !this.#isClosed && !this.#finWasPut) {
      this.#finWasPut = true;
      this.#put(undefined);
    }
  }

  #finWasPut = false;

  #pieceBytes(): number {
    const { random } = this.#internet.world;
    if (!this.#isCut) return PIECE_BYTES_MAX;
    return 1 + random.integer(random.fraction() < 0.5 ? 40 : 4000);
  }

  #put(bytes: Uint8Array | undefined): void {
    this.#wire.push({ bytes, sentMs: this.#internet.world.nowMs });
    if (this.#wireTimer === undefined) this.#armArrival();
  }

  #armArrival(): void {
    const first = this.#wire[0];
    const { other } = this;
    if (first === undefined || other === undefined) return;
    const { world } = this.#internet;
    const delayMs = this.#internet.delayMs(this.host, other.host, first.bytes?.byteLength ?? 0);
    // What was sent right behind the one before is already under way.
    this.#wireTimer = world.at(first.sentMs + delayMs - world.nowMs, () => this.#arrive());
  }

  #arrive(): void {
    this.#wireTimer = undefined;
    const { other } = this;
    const piece = this.#wire[0];
    if (piece === undefined || other === undefined) return;
    // The sender's system is gone with all it had not delivered.
    if (!this.#isKnownToSystem) {
      this.#forgetWire();
      return;
    }
    const { world } = this.#internet;
    const fate = this.#fate();
    if (fate.kind === 'lost') {
      this.#sendAgainLater();
      return;
    }
    if (fate.at !== other.host || !other.#isKnownToSystem || (other.isClosed && piece.bytes !== undefined)) {
      // Whoever has the address now knows nothing of this connection.
      const back = this.#internet.send(fate.at, this.remoteAddress, this.localAddress);
      if (back.kind === 'lost') {
        this.#sendAgainLater();
        return;
      }
      this.#forgetWire();
      world.at(this.#internet.delayMs(fate.at, this.host, 0), () => this.receiveReset('read ECONNRESET'));
      return;
    }
    // Without the way back the other side has it, but this one does not know, and may send no more than the window.
    this.#wire.shift();
    this.#retryMs = RETRY_MS_MIN;
    this.#stuckSinceMs = undefined;
    const byteCount = piece.bytes?.byteLength ?? 0;
    if (byteCount > 0) this.#acknowledge(byteCount);
    if (this.#wire.length > 0) this.#armArrival();
    if (piece.bytes === undefined) other.#receiveFin();
    else other.#receive(piece.bytes);
  }

  #acknowledge(byteCount: number): void {
    const back = this.#internet.send(this.other?.host ?? this.host, this.remoteAddress, this.localAddress);
    if (back.kind === 'arrives' && back.at === this.host) {
      this.#wireBytes -= byteCount;
      if (this.#outbox.length > 0 || this.#needsDrain || this.#isEnding) {
        this.#internet.world.at(this.#internet.delayMs(this.host, this.other?.host ?? this.host, 0), () =>
          this.#pump(),
        );
      }
      return;
    }
    this.#internet.world.at(1_000, () => {
      if (!this.#isClosed) this.#acknowledge(byteCount);
    });
  }

  #sendAgainLater(): void {
    const { world } = this.#internet;
    this.#stuckSinceMs ??= world.nowMs;
    if (world.nowMs - this.#stuckSinceMs > GIVE_UP_MS) {
      this.#forgetWire();
      this.#close(new NetworkFailure('TIMEOUT', 'the other side confirmed nothing for 15 minutes', 'ETIMEDOUT'));
      return;
    }
    this.#wireTimer = world.at(this.#retryMs, () => this.#arrive());
    this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
  }

  #forgetWire(): void {
    this.#wire.length = 0;
    this.#wireBytes = 0;
    if (this.#wireTimer !== undefined) this.#wireTimer.isOver = true;
    this.#wireTimer = undefined;
  }

  #receive(bytes: Uint8Array): void {
    const left = this.resetAfterBytes - this.receivedBytes;
    const taken = bytes.byteLength > left ? bytes.slice(0, left) : bytes;
    this.receivedBytes += taken.byteLength;
    this.#unread.push(taken);
    this.#unreadBytes += taken.byteLength;
    this.process.run(() => this.#read());
    if (taken !== bytes || left === 0) this.breakBoth();
  }

  #read(): void {
    while (!this.#isReadingPaused && !this.#isClosed && this.#unread.length > 0) {
      const bytes = this.#unread.shift() as Uint8Array;
      this.#unreadBytes -= bytes.byteLength;
      if (this.#handlers === undefined) this.#early.push(bytes);
      else this.#handlers.onBytes(bytes);
    }
    this.other?.windowOpened();
    if (this.#finArrived && this.#unread.length === 0) this.#close(undefined);
  }

  windowOpened(): void {
    if (this.#outbox.length > 0) this.#pump();
  }

  #receiveFin(): void {
    if (this.#isClosed) {
      this.#internet.connections.delete(this);
      return;
    }
    this.#finArrived = true;
    this.process.run(() => this.#read());
  }

  #close(failure: NetworkFailure | undefined): void {
    if (this.#isClosed) return;
    const wasEnding = this.#isEnding;
    this.#isClosed = true;
    this.#outbox = [];
    this.#outboxBytes = 0;
    // Our own half ends too: the other side, when it ended first, hears of it.
    if (failure === undefined && !wasEnding) this.#put(undefined);
    if (failure !== undefined || this.#wire.length === 0) this.#internet.connections.delete(this);
    this.#internet.world.soon(() => this.process.run(() => this.#tellClosed(failure)));
  }

  #tellClosed(failure: NetworkFailure | undefined): void {
    if (this.#handlers === undefined) this.#earlyClose = { failure };
    else this.#handlers.onClosed(failure);
  }
}

export interface ConnectionEnd {
  readonly host: SimulatedHost;
  readonly process: SimulatedProcess;
  readonly isDialer: boolean;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isEncrypted: boolean;
  readonly certificateNames: readonly string[];
}

/** Undefined bytes: the end. */
interface Piece {
  readonly bytes: Uint8Array | undefined;
  readonly sentMs: number;
}

const HIGH_WATER_BYTES = 64 * 1024;
const WINDOW_BYTES = 128 * 1024;
const PIECE_BYTES_MAX = 64 * 1024;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 30_000;
const GIVE_UP_MS = 900_000;
