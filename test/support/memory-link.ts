import type { Link, LinkEnd, LinkHandlers } from '../../src/transfer/links/link.ts';
import { encodeFrame } from '../../src/transfer/wire/encode-frame.ts';
import { FrameReader } from '../../src/transfer/wire/frame-reader.ts';
import { FRAME_TYPES, type FrameType } from '../../src/transfer/wire/frame-types.ts';
import type { Frame, Identity } from '../../src/transfer/wire/frames.ts';
import { CONTROL_FRAME_BYTES_MAX, dataFrameBytesMax } from '../../src/transfer/wire/limits.ts';

/** A link in memory: frames go through the real bytes, and are handed over one at a time, when the test says so. */
export class MemoryLink {
  readonly dialer: MemoryLinkEnd;
  readonly acceptor: MemoryLinkEnd;
  isCut = false;
  /** Looks at each frame before it is handed over; answers what arrives instead. */
  tamper: (frame: Frame) => readonly Frame[] = (frame) => [frame];

  constructor(dialer: Identity, acceptor: Identity) {
    this.dialer = new MemoryLinkEnd('dialer', acceptor, this);
    this.acceptor = new MemoryLinkEnd('acceptor', dialer, this);
  }

  get hasFrames(): boolean {
    return !this.isCut && (canRead(this.acceptor, this.dialer) || canRead(this.dialer, this.acceptor));
  }

  /** Hands one frame over, if one waits in that direction; false: none does. */
  deliver(direction: 'data' | 'answers'): boolean {
    const [from, to] = direction === 'data' ? [this.dialer, this.acceptor] : [this.acceptor, this.dialer];
    if (this.isCut || !canRead(to, from)) return false;
    const bytes = from.outbox.shift();
    if (bytes === undefined) return false;
    if (from.outbox.length === 0) from.handlers?.drained();
    const reader = new FrameReader(READER_LIMITS);
    reader.push(bytes);
    const frame = reader.next();
    if (frame === undefined) throw new Error('a frame was encoded whole');
    for (const arriving of this.tamper(frame)) if (!this.isCut) to.handlers?.frame(arriving);
    return true;
  }

  /** As a pulled cable that both ends notice: what is on the way is lost. */
  cut(code: LinkEnd['code'] = 'RESET', text = 'cut by the test'): void {
    if (this.isCut) return;
    this.isCut = true;
    for (const end of [this.dialer, this.acceptor]) {
      end.isOpen = false;
      end.outbox = [];
    }
    for (const end of [this.dialer, this.acceptor]) end.handlers?.closed({ code, text, isOurs: false });
  }
}

const READER_LIMITS = {
  accepts: new Set(Object.keys(FRAME_TYPES) as FrameType[]),
  controlBytesMax: CONTROL_FRAME_BYTES_MAX,
  dataBytesMax: dataFrameBytesMax(4 * 1024 * 1024),
};

function canRead(to: MemoryLinkEnd, from: MemoryLinkEnd): boolean {
  return from.outbox.length > 0 && !to.isPaused;
}

export class MemoryLinkEnd implements Link {
  readonly role: Link['role'];
  readonly peer: Identity;
  readonly localAddress = '127.0.0.1';
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 1801;
  readonly isEncrypted = false;
  readonly sinceMs = 0;
  readonly heardMs = 0;
  isOpen = true;
  expectsAnswers = false;
  isPaused = false;
  outbox: Uint8Array[] = [];
  handlers: LinkHandlers | undefined;
  readonly #whole: MemoryLink;

  constructor(role: Link['role'], peer: Identity, whole: MemoryLink) {
    this.role = role;
    this.peer = peer;
    this.#whole = whole;
  }

  get waitingBytes(): number {
    return this.outbox.reduce((sum, bytes) => sum + bytes.byteLength, 0);
  }

  send(frame: Frame): void {
    if (this.isOpen) this.outbox.push(encodeFrame(frame));
  }

  pauseReading(): void {
    this.isPaused = true;
  }

  resumeReading(): void {
    this.isPaused = false;
  }

  ping(): Promise<{ readonly roundTripMs: number; readonly wallMs: number }> {
    return Promise.resolve({ roundTripMs: 0, wallMs: 0 });
  }

  close(code: LinkEnd['code'], text: string): void {
    this.#whole.cut(code, text);
  }

  listen(handlers: LinkHandlers): void {
    this.handlers = handlers;
  }
}
