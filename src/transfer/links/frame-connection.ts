import type { Timers } from '../../io/io.ts';
import type { Connection, NetworkFailure } from '../../io/network.ts';
import { encodeFrame } from '../wire/encode-frame.ts';
import { FrameReader, type ReaderLimits } from '../wire/frame-reader.ts';
import type { Frame } from '../wire/frames.ts';
import { MalformedBytes } from '../wire/malformed-bytes.ts';

/**
 * A connection that carries frames. It belongs first to the handshake, then to the link: whoever set `handlers` last gets
 * what comes, and while nobody does, nothing is read.
 *
 *     reading ◀──pause() | handlers = undefined──▶ held      malformed bytes or the end of the connection ──▶ over
 *
 * Frames that had arrived before a pause are kept and given after it. Frames sent in one turn of the event loop leave as one
 * write, large ones without being copied again.
 */
export class FrameConnection {
  readonly connection: Connection;
  /** The first bytes of the other side, to say what it speaks when it is not this protocol. */
  firstBytes: Uint8Array = new Uint8Array(0);
  readonly #timers: Timers;
  readonly #reader: FrameReader;
  #handlers: FrameHandlers | undefined;
  #isPaused = false;
  #isGiving = false;
  #isOver = false;
  #ended: { readonly failure: NetworkFailure | undefined } | undefined;
  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #isFlushPlanned = false;

  constructor(connection: Connection, timers: Timers, limits: ReaderLimits) {
    this.connection = connection;
    this.#timers = timers;
    this.#reader = new FrameReader(limits);
    connection.listen({
      onBytes: (bytes) => this.#arrived(bytes),
      onDrained: () => this.#tellDrained(),
      onClosed: (failure) => this.#connectionClosed(failure),
    });
  }

  set handlers(handlers: FrameHandlers | undefined) {
    this.#handlers = handlers;
    this.#holdOrGo();
  }

  /** For the frames that come next. */
  set limits(limits: ReaderLimits) {
    this.#reader.limits = limits;
  }

  get waitingBytes(): number {
    return this.#outgoingBytes + this.connection.waitingBytes;
  }

  /** True when the beginning of a frame has come and the rest has not. */
  get isWithinFrame(): boolean {
    return this.#reader.isWithinFrame;
  }

  /** Returns the bytes it takes. */
  send(frame: Frame): void {
    if (this.#ended !== undefined) return;
    const bytes = encodeFrame(frame);
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.byteLength;
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    this.#timers.soon(() => {
      if (!this.#isFlushPlanned) return;
      this.#flush();
      if (this.waitingBytes === 0) this.#tellDrained();
    });
  }

  pause(): void {
    this.#isPaused = true;
    this.#holdOrGo();
  }

  resume(): void {
    this.#isPaused = false;
    this.#holdOrGo();
  }

  /** Sends what is queued, then closes; `destroy` ends the wait for it. */
  end(): void {
    if (this.#ended !== undefined) return;
    this.#flush();
    this.connection.end();
    // The end of the other side is only seen by who reads.
    this.connection.resume();
  }

  destroy(): void {
    this.connection.destroy();
  }

  #arrived(bytes: Uint8Array): void {
    if (this.#isOver) return;
    if (this.firstBytes.byteLength === 0) this.firstBytes = Uint8Array.from(bytes.subarray(0, FIRST_BYTES_KEPT));
    this.#reader.push(bytes);
    this.#handlers?.heard();
    this.#give();
  }

  #give(): void {
    if (this.#isGiving) return;
    this.#isGiving = true;
    try {
      while (this.#handlers !== undefined && !this.#isPaused && !this.#isOver) {
        const frame = this.#reader.next();
        if (frame === undefined) return;
        this.#handlers.frame(frame);
      }
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.#isOver = true;
      this.#handlers?.malformed(error);
    } finally {
      this.#isGiving = false;
    }
  }

  #holdOrGo(): void {
    if (this.#ended !== undefined) {
      this.#timers.soon(() => this.#tellClosed());
      return;
    }
    if (this.#isPaused || this.#handlers === undefined) {
      this.connection.pause();
      return;
    }
    this.connection.resume();
    // In a turn of its own: whoever resumes does not expect frames before it returns.
    if (!this.#isGiving && this.#reader.isWithinFrame) this.#timers.soon(() => this.#give());
  }

  #flush(): void {
    this.#isFlushPlanned = false;
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    for (let from = 0; from < outgoing.length; ) {
      let to = from;
      let bytes = 0;
      while (to < outgoing.length && (outgoing[to]?.byteLength ?? 0) <= COPIED_BYTES_MAX && bytes < WRITE_BYTES_AIM) {
        bytes += outgoing[to]?.byteLength ?? 0;
        to++;
      }
      to = Math.max(to, from + 1);
      const run = outgoing.slice(from, to);
      this.connection.write(run.length === 1 && run[0] !== undefined ? run[0] : Buffer.concat(run));
      from = to;
    }
  }

  #tellDrained(): void {
    if (this.#ended === undefined && this.waitingBytes === 0) this.#handlers?.drained();
  }

  #connectionClosed(failure: NetworkFailure | undefined): void {
    this.#ended = { failure };
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#isFlushPlanned = false;
    this.#tellClosed();
  }

  #tellClosed(): void {
    const handlers = this.#handlers;
    if (handlers === undefined || this.#ended === undefined) return;
    this.#isOver = true;
    this.#handlers = undefined;
    handlers.closed(this.#ended.failure);
  }
}

export interface FrameHandlers {
  /** Bytes came in, before their frames are given. */
  heard(): void;
  frame(frame: Frame): void;
  /** All that was sent has been taken by the system. */
  drained(): void;
  /** Nothing more comes of it; the connection stands until it is ended. */
  malformed(error: MalformedBytes): void;
  /** Once. */
  closed(failure: NetworkFailure | undefined): void;
}

const FIRST_BYTES_KEPT = 16;
/** A frame up to this is copied together with its neighbours: one write of many costs less than many. */
const COPIED_BYTES_MAX = 16 * 1024;
const WRITE_BYTES_AIM = 64 * 1024;
